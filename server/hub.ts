/**
 * @file Checkpoints from the Hugging Face hub: from the cache that its own tools keep, else downloaded file by file to disk.
 */
import { createWriteStream, existsSync, mkdirSync, readFileSync, renameSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';

/** A model that the hub does not give. */
export class HubError extends Error {
  override readonly name = 'HubError';
  readonly id: string;
  constructor(id: string, actual: string, cause?: unknown) {
    super(
      `${id}: expected a model folder, or a model that ${endpoint()} has, got ${actual}; ` +
        `download it by hand (hf download ${id} --local-dir DIR) and give the path of the folder`,
      { cause },
    );
    this.id = id;
  }
}

export interface DownloadProgress {
  readonly file: string;
  readonly bytes: number;
  readonly totalBytes: number;
}

/** `owner/name` */
export const isHubId = (text: string): boolean => /^[\w-][\w.-]*\/[\w-][\w.-]*$/.test(text);

const endpoint = (): string => (process.env.HF_ENDPOINT || 'https://huggingface.co').replace(/\/+$/, '');

/** What a model folder is made of. */
const wanted =
  /^(config|generation_config|tokenizer|tokenizer_config|special_tokens_map|model\.safetensors\.index)\.json$|^model(-\d+-of-\d+)?\.safetensors$/;

const infoSchema = z.looseObject({ sha: z.string(), siblings: z.array(z.looseObject({ rfilename: z.string() })) });

/** The folder of a model in the cache of Hugging Face's tools; undefined where it is not whole there. */
export function cachedSnapshot(id: string): string | undefined {
  const { HF_HUB_CACHE, HF_HOME } = process.env;
  const cache = HF_HUB_CACHE || join(HF_HOME || join(homedir(), '.cache', 'huggingface'), 'hub');
  const place = join(cache, `models--${id.replace('/', '--')}`);
  const ref = join(place, 'refs', 'main');
  if (!existsSync(ref)) return undefined;
  const dir = join(place, 'snapshots', readFileSync(ref, 'utf8').trim());
  const has = (name: string): boolean => existsSync(join(dir, name));
  const weights = has('model.safetensors') || has('model.safetensors.index.json');
  return has('config.json') && has('tokenizer.json') && weights ? dir : undefined;
}

/**
 * Downloads a model into `dir`. What an attempt that was cut off left there is gone on with.
 *
 * @throws HubError
 */
export async function downloadModel(
  id: string,
  dir: string,
  onProgress: (progress: DownloadProgress) => void = () => undefined,
): Promise<void> {
  if (process.env.HF_HUB_OFFLINE === '1') throw new HubError(id, 'HF_HUB_OFFLINE=1');
  const { sha, siblings } = await modelInfo(id);
  const names = siblings.map(({ rfilename }) => rfilename);
  if (!names.some((name) => name.endsWith('.safetensors')))
    throw new HubError(
      id,
      'a model without safetensors; convert it in Python with from_pretrained and save_pretrained',
    );
  mkdirSync(dir, { recursive: true });
  for (const file of names.filter((name) => wanted.test(name))) {
    const place = join(dir, file);
    if (existsSync(place)) continue;
    await download(id, `${endpoint()}/${id}/resolve/${sha}/${file}`, place, (bytes, totalBytes) =>
      onProgress({ file, bytes, totalBytes }),
    );
  }
}

async function modelInfo(id: string): Promise<z.infer<typeof infoSchema>> {
  const response = await request(id, `${endpoint()}/api/models/${id}/revision/main`, {});
  const parsed = infoSchema.safeParse(await response.json().catch(() => undefined));
  if (!parsed.success) throw new HubError(id, 'an answer that is not the hub’s');
  return parsed.data;
}

async function download(
  id: string,
  url: string,
  place: string,
  onBytes: (bytes: number, total: number) => void,
): Promise<void> {
  const part = `${place}.part`;
  const have = existsSync(part) ? statSync(part).size : 0;
  const response = await request(id, url, have ? { range: `bytes=${have}-` } : {});
  const isRest = response.headers.get('content-range')?.startsWith(`bytes ${have}-`) ?? false;
  const length = response.headers.get('content-length');
  const first = isRest ? have : 0;
  const total = length === null ? undefined : first + Number(length);
  let bytes = first;
  const body = Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]);
  body.on('data', (piece: Buffer) => onBytes((bytes += piece.length), total ?? bytes));
  mkdirSync(dirname(part), { recursive: true });
  try {
    await pipeline(body, createWriteStream(part, { flags: isRest ? 'a' : 'w' }));
  } catch (cause) {
    throw new HubError(id, `a connection that broke after ${bytes} bytes of ${url}`, cause);
  }
  if (total !== undefined && bytes !== total) throw new HubError(id, `${bytes} of ${total} bytes of ${url}`);
  renameSync(part, place);
}

async function request(id: string, url: string, headers: Record<string, string>): Promise<Response> {
  const token = process.env.HF_TOKEN;
  const authorization = token ? { authorization: `Bearer ${token}` } : {};
  let response;
  try {
    response = await fetch(url, { headers: { ...headers, ...authorization } });
  } catch (cause) {
    const { cause: reason } = cause as { cause?: { message?: string } };
    throw new HubError(id, `no connection (${reason?.message ?? String(cause)})`, cause);
  }
  if (!response.ok) throw new HubError(id, `${response.status} ${response.statusText} from ${url}`);
  return response;
}
