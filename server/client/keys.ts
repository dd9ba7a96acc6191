import { dataOf, withSignal, type CallOptions, type Transport } from './transport.ts';
import type { Key, MadeKey, NewKey } from './types.ts';

/** Who may call; needs a key of scope admin. */
export class Keys {
  private readonly transport: Transport;

  constructor(transport: Transport) {
    this.transport = transport;
  }

  /** In the order they were made, without secrets. @throws PalimpsestError */
  async list(options: CallOptions = {}): Promise<Key[]> {
    return (await dataOf(this.transport.api.GET('/keys', withSignal(options)))).keys;
  }

  /** @throws PalimpsestError */
  get(name: string, options: CallOptions = {}): Promise<Key> {
    return dataOf(this.transport.api.GET('/keys/{name}', { params: { path: { name } }, ...withSignal(options) }));
  }

  /** The secret of the answer cannot be read again. @throws PalimpsestError */
  create(key: NewKey, options: CallOptions = {}): Promise<MadeKey> {
    return dataOf(this.transport.api.POST('/keys', { body: key, ...withSignal(options) }));
  }

  /** @param graceSeconds  how long the secret before stays valid @throws PalimpsestError */
  rotate(name: string, graceSeconds?: number, options: CallOptions = {}): Promise<MadeKey> {
    const body = graceSeconds === undefined ? {} : { graceSeconds };
    const init = { params: { path: { name } }, body, ...withSignal(options) };
    return dataOf(this.transport.api.POST('/keys/{name}/rotate', init));
  }

  /** @throws PalimpsestError */
  async revoke(name: string, options: CallOptions = {}): Promise<void> {
    await dataOf(this.transport.api.DELETE('/keys/{name}', { params: { path: { name } }, ...withSignal(options) }));
  }
}
