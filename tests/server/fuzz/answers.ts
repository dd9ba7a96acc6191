/** Whether an answer is one that the OpenAPI document declares. */
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import type { Content, OpenApi, OperationObject } from '../../../server/generate/document.ts';
import type { FuzzRequest } from './requests.ts';

export interface FuzzAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly ms: number;
}

const problemType = 'application/problem+json';

export class AnswerCheck {
  private readonly document: OpenApi;
  private readonly ajv: Ajv2020;
  private readonly compiled = new Map<string, ValidateFunction>();

  constructor(document: OpenApi) {
    this.document = document;
    this.ajv = new Ajv2020({
      strict: false,
      validateFormats: false,
      allErrors: true,
    }).addSchema(document, 'api');
  }

  /** What is wrong with an answer; undefined where nothing is. */
  fault(request: FuzzRequest, { status, type, body }: FuzzAnswer): string | undefined {
    if (status >= 500 && !(status === 503 && request.template === '/readyz')) return `status ${status}`;
    const { template, method } = request;
    const operation = template === undefined ? undefined : this.document.paths[template][method.toLowerCase()];
    if (!operation) return type === problemType ? this.mismatch('Problem', body) : undefined;
    // RFC 9110 §13.1.2: of a GET with "*" there is always a current representation.
    if (status === 304 && request.headers['if-none-match'] === '*') return undefined;
    const declared = operation.responses[String(status)];
    if (!declared) return `status ${status} is not declared`;
    if (request.sent !== undefined && status < 300 && !this.accepts(operation, request.sent))
      return `status ${status} for a body that the document refuses`;
    return this.bodyFault(declared.content, type, body);
  }

  private bodyFault(content: Content | undefined, type: string, body: string): string | undefined {
    if (!content) return body === '' ? undefined : `a body of ${type} where none is declared`;
    if (!(type in content)) return `a body of ${type || 'no type'} is not declared`;
    const { schema } = content[type];
    if (!schema || Object.keys(schema).length === 0) return undefined;
    const lines = type === 'application/x-ndjson' ? body.split('\n').filter(Boolean) : [body];
    return lines.map((line) => this.mismatch(JSON.stringify(schema), line)).find((fault) => fault !== undefined);
  }

  private accepts({ requestBody }: OperationObject, sent: unknown): boolean {
    const schema = requestBody?.content['application/json']?.schema;
    // As it travels: what JSON leaves out was not sent.
    return !schema || this.validator(JSON.stringify(schema))(JSON.parse(JSON.stringify(sent) ?? 'null'));
  }

  /** @param schema  a name, or the schema as JSON */
  private mismatch(schema: string, text: string): string | undefined {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return `expected JSON, got ${JSON.stringify(text.slice(0, 100))}`;
    }
    const validate = this.validator(schema);
    if (validate(value)) return undefined;
    const [{ instancePath = '', message = '' } = {}] = validate.errors ?? [];
    return `${schema}: ${instancePath} ${message}`;
  }

  private validator(schema: string): ValidateFunction {
    const known = this.compiled.get(schema);
    if (known) return known;
    const address = schema.startsWith('{')
      ? schema.replaceAll('"#/', '"api#/')
      : JSON.stringify({ $ref: `api#/components/schemas/${schema}` });
    const made = this.ajv.compile(JSON.parse(address) as object);
    this.compiled.set(schema, made);
    return made;
  }
}
