/** Requests for every operation of the OpenAPI document: most as they should be, some spoilt in one of many ways. */
import fc, { type Arbitrary } from 'fast-check';
import type { OpenApi, OperationObject, Parameter } from '../../../server/generate/document.ts';
import { spoilt, valueOf } from './values.ts';

export interface FuzzRequest {
  readonly method: string;
  /** As it stands in the request line. */
  readonly path: string;
  /** As the document has it; undefined for a path that it does not have. */
  readonly template: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** How long the server may wait before it answers. */
  readonly waitSeconds: number;
  /** The value that the body is the JSON of. */
  readonly sent?: unknown;
}

/** Requests that follow each other; several such sequences at once. */
export type Lanes = readonly (readonly FuzzRequest[])[];

/** Out of a hundred requests of most operations, how many of these: what they start takes seconds, or fills the disk. */
const weights: Readonly<Record<string, number>> = {
  post_analysis: 1,
  post_snapshots: 2,
  post_evaluate: 5,
  post_compact: 1,
  post_exports: 2,
  post_edits_revert: 20,
};
const usualWeight = 100;

type Auth = 'admin' | 'none' | 'wrong' | 'odd';

export function lanesOf(document: OpenApi, adminKey: string): Arbitrary<Lanes> {
  const request = requestOf(document, adminKey);
  return fc.array(fc.array(request, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 4 });
}

function requestOf(document: OpenApi, adminKey: string): Arbitrary<FuzzRequest> {
  const operations = Object.entries(document.paths).flatMap(([template, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ template, method, operation })),
  );
  const usual = operations.map(({ template, method, operation }) => ({
    weight: weights[operation.operationId] ?? usualWeight,
    arbitrary: callOf(document, template, method, operation, adminKey),
  }));
  return fc.oneof(...usual, { weight: usualWeight, arbitrary: strange(document) });
}

const headersOf = (auth: Auth, adminKey: string): Record<string, string> => {
  const sent = { admin: `Bearer ${adminKey}`, none: undefined, wrong: 'Bearer nobody-has-this-key', odd: 'Basic Og==' }[
    auth
  ];
  return sent === undefined ? {} : { authorization: sent };
};

/** How a request is spoilt. */
const faults = ['none', 'value', 'query', 'type', 'torn', 'path', 'auth', 'header'] as const;

function callOf(
  document: OpenApi,
  template: string,
  method: string,
  { parameters = [], requestBody, security }: OperationObject,
  adminKey: string,
): Arbitrary<FuzzRequest> {
  const [type, schema] =
    Object.entries(requestBody?.content ?? {}).map(([name, one]) => [name, one.schema!] as const)[0] ?? [];
  const isLines = type === 'application/x-ndjson';
  const one = schema ? valueOf(schema, document) : fc.constant(undefined);
  const good = isLines ? fc.array(one, { maxLength: 5 }) : one;
  const fault = fc.oneof(
    { weight: 6, arbitrary: fc.constant('none' as const) },
    { weight: 4, arbitrary: fc.constantFrom(...faults) },
  );
  const auth = fc.constantFrom<Auth>('none', 'wrong', 'odd');
  return fc
    .record({
      fault,
      value: good,
      other: fc.nat(),
      auth,
      parameters: parametersOf(document, parameters),
      junk: fc.string(),
    })
    .chain(({ value, ...rest }) =>
      (rest.fault === 'value' && schema ? spoilt(value) : fc.constant(value)).map((sent) => ({ ...rest, sent })),
    )
    .map(({ fault: kind, sent, other, auth: odd, parameters: values, junk }) => {
      const named = (place: Parameter['in']): [string, string][] =>
        values.filter(([parameter]) => parameter.in === place).map(([{ name }, value]) => [name, value]);
      const path = template.replace(/\{(\w+)\}/g, (_, name: string) => {
        const value = named('path').find(([known]) => known === name)![1];
        return kind === 'path' && other % 2 ? '%ff%' : encoded(value || '-'); // without a name it is another path
      });
      const query = named('query').map(([name, value]) => `${name}=${encoded(value)}`);
      if (kind === 'query')
        query.push(...[[`${encoded(junk)}=1`], query.slice(0, 1), ['wait=abc'], ['__proto__=1']][other % 4]);
      const text = schema && textOf(sent, isLines);
      const torn = kind === 'torn' && text ? text.slice(0, other % text.length) : text;
      const headers = {
        ...headersOf(security && kind !== 'auth' ? 'admin' : kind === 'auth' ? odd : 'none', adminKey),
        ...(type && { 'content-type': kind === 'type' ? oddTypes[other % oddTypes.length] : type }),
        ...(kind === 'header' && oddHeaders[other % oddHeaders.length]),
        ...(kind !== 'header' && Object.fromEntries(named('header'))),
      };
      return {
        ...{
          method: method.toUpperCase(),
          path: `${path}${query.length > 0 ? `?${query.join('&')}` : ''}`,
          template,
          headers,
        },
        ...{ waitSeconds: Number(named('query').find(([name]) => name === 'wait')?.[1] ?? 30) },
        ...(torn !== undefined && { body: torn }),
        ...(kind !== 'torn' && !isLines && { sent }),
      };
    });
}

const oddTypes = [
  'text/plain',
  'application/json; charset=utf-16',
  'application/json;charset=nothing',
  'application/xml',
  'application/x-ndjson',
  ';',
];
const oddHeaders: readonly Readonly<Record<string, string>>[] = [
  { 'if-match': '"' },
  { 'if-match': '*, W/"1-x"' },
  { 'if-none-match': '*' },
  { 'idempotency-key': '' },
  { 'idempotency-key': 'x'.repeat(201) },
  { 'idempotency-key': 'a b' },
  { 'content-encoding': 'gzip' },
  { 'content-encoding': 'nothing' },
  { 'x-request-id': 'a\tb' },
  { 'accept-encoding': 'br;q=2, *;q=x' },
  { expect: '100-continue' },
  { range: 'bytes=0-1' },
];

/** Required parameters, and some of the others, as text. */
function parametersOf(document: OpenApi, parameters: readonly Parameter[]): Arbitrary<[Parameter, string][]> {
  const each = parameters.map((parameter) =>
    fc.tuple(
      fc.constant(parameter),
      headerValue(parameter) ?? inPath(parameter) ?? valueText(parameter, document),
      fc.nat(2),
    ),
  );
  return fc
    .tuple(...each)
    .map((all) =>
      all.flatMap(([parameter, value, chance]): [Parameter, string][] =>
        parameter.required || chance === 0 ? [[parameter, value]] : [],
      ),
    );
}

const headerValue = ({ name, in: place }: Parameter): Arbitrary<string> | undefined => {
  if (place !== 'header') return undefined;
  return name === 'Idempotency-Key' ? fc.nat(50).map((n) => `key-${n}`) : fc.constantFrom('*', '"1-x"', '"2-y", "3-z"');
};

/** Numbers of edits and tasks: some of the first, and what is there now; see `resolve`. */
const inPath = ({ name, in: place }: Parameter): Arbitrary<string> | undefined => {
  if (place !== 'path' || (name !== 'seq' && name !== 'id')) return undefined;
  return fc.oneof(
    fc.nat(20).map((back) => `~${back}`),
    fc.constantFrom('0', '1', '2', '-1', '1e3', 'x', '99999999999999999999', '01'),
  );
};

function valueText({ name, schema }: Parameter, document: OpenApi): Arbitrary<string> {
  const wrapped = valueOf({ type: 'object', properties: { [name]: schema }, required: [name] }, document);
  return wrapped.map((value) => {
    const one = (value as Record<string, unknown>)[name];
    return typeof one === 'string' ? one : JSON.stringify(one);
  });
}

/** A number of the past: `~3` becomes the number three before the last. */
export const resolve = (path: string, last: number): string =>
  path.replace(/\/~(\d+)/, (_, back: string) => `/${Math.max(1, last - Number(back))}`);

/** Half a surrogate pair has no bytes: it goes as U+FFFD, as browsers send it. */
const encoded = (text: string): string =>
  /^~\d+$/.test(text) ? text : encodeURIComponent(text.replace(/\p{Surrogate}/gu, '\ufffd')).replaceAll("'", '%27');

function textOf(value: unknown, isLines: boolean): string {
  const json = (one: unknown): string => JSON.stringify(one) ?? '';
  return isLines && Array.isArray(value) ? value.map(json).join('\n') : json(value);
}

/** Paths that are not there, and methods that paths do not have. */
function strange(document: OpenApi): Arbitrary<FuzzRequest> {
  const method = fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE');
  const there = Object.keys(document.paths).map((path) => path.replace(/\{\w+\}/g, 'd1'));
  const path = fc.oneof(
    fc.constantFrom(...there),
    fc.constantFrom(
      '/',
      '//',
      '/docs',
      '/console',
      '/openapi.json',
      '/web/../package.json',
      '/web/%2e%2e/serve.ts',
      '/%00',
      '/%ff',
      '/retrieve/',
    ),
    fc.string().map((name) => `/${encoded(name)}`),
  );
  return fc
    .record({ method, path })
    .map((request) => ({ ...request, template: undefined, headers: {}, waitSeconds: 0 }));
}
