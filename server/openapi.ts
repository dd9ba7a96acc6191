import { z } from 'zod';
import { namedSchemas } from './named-schemas.ts';
import type { Method, Operation, Route } from './route.ts';
import { problem } from './schemas.ts';

type Json = Record<string, unknown>;

const statusTexts: { readonly [status: number]: string } = {
  400: 'The request does not fit',
  404: 'Not found',
  409: 'Too late',
  413: 'The body is too large',
  415: 'The body is not application/json',
  429: 'Too much waits; see Retry-After',
  500: 'The server failed',
  503: 'Not ready',
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
    components: { schemas: components() },
  };
}

function pathItem({ path, operations }: Route): Json {
  const inPath = [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  const entries = Object.entries(operations).map(([method, spec]) => [
    method,
    operationObject(method as Method, path, spec, inPath),
  ]);
  return Object.fromEntries(entries) as Json;
}

function operationObject(method: Method, path: string, spec: Operation, inPath: readonly Json[]): Json {
  const statuses = [...new Set([400, ...(spec.problems ?? []), 500])].filter((status) => !(status in spec.responses));
  const parameters = [...inPath, ...(spec.query ? queryParameters(spec.query) : [])];
  return {
    operationId: [method, ...path.split(/[/:]+/).filter(Boolean)].join('_'),
    tags: [tagOf(path)],
    summary: spec.summary,
    ...(spec.description && { description: spec.description }),
    ...(parameters.length > 0 && { parameters }),
    ...(spec.body && { requestBody: { required: true, content: jsonContent([spec.body]) } }),
    responses: {
      ...Object.fromEntries(
        Object.entries(spec.responses).map(([status, { description, schemas, type }]) => [
          status,
          {
            description,
            ...(schemas && { content: jsonContent(schemas) }),
            ...(type && { content: { [type]: {} } }),
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

/** Groups of the reference: search, documents, the inside of the model, what takes its time, how the server does. */
function tagOf(path: string): string {
  if (path.startsWith('/retrieve')) return 'retrieve';
  if (path.startsWith('/analysis')) return 'analysis';
  if (path.startsWith('/tasks')) return 'tasks';
  return path.startsWith('/documents') ? 'documents' : 'operations';
}

function jsonContent(schemas: readonly z.ZodType[]): Json {
  const [first, ...others] = schemas.map(reference);
  return { 'application/json': { schema: others.length > 0 ? { oneOf: [first, ...others] } : first } };
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
