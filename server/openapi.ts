import { z } from 'zod';
import type { Access } from './keys/scope.ts';
import { namedSchemas } from './named-schemas.ts';
import { mayBeLeftOut, type Method, type Operation, type RequestHeader, type Route } from './route.ts';
import { jsonLines, problem } from './schemas.ts';

type Json = Record<string, unknown>;

const statusTexts: { readonly [status: number]: string } = {
  400: 'The request does not fit',
  401: 'A key is needed, or the one that came is unknown',
  403: 'The key does not permit this',
  404: 'Not found',
  409: 'Not as things are now',
  412: 'The document is not as the request expects it',
  413: 'The body is too large',
  415: 'The body is of another type',
  422: 'The edit would do too much harm, or the idempotency key belongs to another request',
  429: 'Too many requests, or too much waits; see Retry-After',
  500: 'The server failed',
  503: 'Not ready',
  507: 'The disk is full',
};

const headerTexts: { readonly [H in RequestHeader]: string } = {
  'If-Match': 'ETag of the document as the caller knows it; 412 where it has changed since.',
  'If-None-Match': '`*`: only where there is no such document; 412 where there is one.',
  'Idempotency-Key':
    'Up to 200 visible characters that name this request: sent again, it is answered as the first time and edits nothing twice.',
};

/** The routes as an OpenAPI 3.1 document; its schemas are the ones that requests are checked against. */
export function openApiDocument(routes: readonly Route[], version: string): Json {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Palimpsest',
      version,
      description: 'A retrieval server whose index is a model. Errors are problems of RFC 9457 with a stable `code`.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths: Object.fromEntries(routes.map((route) => [route.path.replace(/:(\w+)/g, '{$1}'), pathItem(route)])),
    components: { schemas: components(), securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
  };
}

function pathItem({ path, operations }: Route): Json {
  const inPath = [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string', minLength: 1 },
  }));
  const entries = Object.entries(operations).map(([method, spec]) => [
    method,
    operationObject(method as Method, path, spec, inPath),
  ]);
  return Object.fromEntries(entries) as Json;
}

function operationObject(method: Method, path: string, spec: Operation, inPath: readonly Json[]): Json {
  const statuses = [...new Set([400, ...keyProblems[spec.access], ...(spec.problems ?? []), 500])].filter(
    (status) => !(status in spec.responses),
  );
  const parameters = [
    ...inPath,
    ...(spec.query ? queryParameters(spec.query) : []),
    ...(spec.headers ?? []).map((name) => ({
      name,
      in: 'header',
      description: headerTexts[name],
      schema: { type: 'string' },
    })),
  ];
  return {
    operationId: [method, ...path.split(/[/:]+/).filter(Boolean)].join('_'),
    tags: [tagOf(path)],
    summary: spec.summary,
    ...(spec.description && { description: spec.description }),
    ...(spec.access !== 'open' && { security: securityOf(spec.access) }),
    ...(parameters.length > 0 && { parameters }),
    ...(spec.body && { requestBody: { required: !mayBeLeftOut(spec.body), content: content([spec.body]) } }),
    ...(spec.line && { requestBody: { required: true, content: content([spec.line], jsonLines) } }),
    responses: {
      ...Object.fromEntries(
        Object.entries(spec.responses).map(([status, { description, schemas, type }]) => [
          status,
          {
            description,
            ...(schemas && { content: content(schemas, type) }),
            ...(type && !schemas && { content: { [type]: {} } }),
          },
        ]),
      ),
      ...Object.fromEntries(
        statuses.map((status) => [
          status,
          { description: statusTexts[status], content: { 'application/problem+json': { schema: reference(problem) } } },
        ]),
      ),
    },
  };
}

const keyProblems: { readonly [A in Access]: readonly number[] } = {
  open: [],
  search: [401, 429],
  read: [401, 429],
  edit: [401, 403, 429],
  admin: [401, 403, 429],
};

/** A search needs a key only where it is locked. */
function securityOf(access: Access): Json[] {
  return access === 'search' ? [{}, { bearer: ['read'] }] : [{ bearer: [access] }];
}

/** Groups of the reference: search, documents, edits, the model's inside, long work, who may do what, how the server does. */
function tagOf(path: string): string {
  if (path.startsWith('/retrieve')) return 'retrieve';
  if (path.startsWith('/analysis')) return 'analysis';
  if (path.startsWith('/tasks')) return 'tasks';
  if (path.startsWith('/keys') || path.startsWith('/audit')) return 'keys';
  if (path.startsWith('/edits') || path.startsWith('/evaluate')) return 'edits';
  return path.startsWith('/documents') ? 'documents' : 'operations';
}

function content(schemas: readonly z.ZodType[], type = 'application/json'): Json {
  const [first, ...others] = schemas.map(reference);
  return { [type]: { schema: others.length > 0 ? { oneOf: [first, ...others] } : first } };
}

function reference(schema: z.ZodType): Json {
  return { $ref: address(String(namedSchemas.get(schema)?.id)) };
}

const address = (id: string): string => `#/components/schemas/${id}`;

function queryParameters(schema: z.ZodType): Json[] {
  // What must be given is a matter of the input; what a value is, of the output: a number, though it travels as text.
  const { required = [] } = z.toJSONSchema(schema, { io: 'input' });
  const { properties = {} } = z.toJSONSchema(schema, { io: 'output' });
  return Object.entries(properties).map(([name, property]) => {
    const { description, ...rest } = property as Json;
    return {
      name,
      in: 'query',
      required: required.includes(name),
      ...(description ? { description } : {}),
      schema: rest,
    };
  });
}

function components(): Json {
  const { schemas } = z.toJSONSchema(namedSchemas, { uri: address, io: 'input' });
  return Object.fromEntries(
    Object.entries(schemas).map(([id, { $schema: _dialect, $id: _address, ...schema }]) => [id, schema]),
  );
}
