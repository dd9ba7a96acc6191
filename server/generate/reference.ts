import { problemKinds } from '../http-error.ts';
import type { Content, OpenApi, OperationObject, Parameter, Schema } from './document.ts';
import { examples, type Example } from './examples.ts';
import { fieldsText, row, table, typeText, withDefault } from './schema-text.ts';

/** The API reference as Markdown: every operation with an example, then every schema, then every problem. */
export function reference(document: object): string {
  const { paths, components } = document as OpenApi;
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      title: `${method.toUpperCase()} ${path}`,
      method,
      operation,
    })),
  );
  const tags = [...new Set(operations.flatMap(({ operation }) => operation.tags))];
  const groups = tags.map((tag) => ({ tag, list: operations.filter(({ operation }) => operation.tags.includes(tag)) }));
  const contents = groups.map(({ tag, list }) => {
    const links = list.map(({ title }) => `[${title}](#${anchor(title)})`);
    return `- **${tag}**: ${links.join(' · ')}`;
  });
  const schemas = Object.entries(components.schemas).map(([name, schema]) => `### ${name}\n\n${schemaText(schema)}`);
  return [
    ...[head, contents.join('\n')],
    ...groups.flatMap(({ tag, list }) => [
      `## Calls: ${tag}`,
      ...list.map(({ title, method, operation }) => operationText(title, method, operation)),
    ]),
    ...['## Schemas', ...schemas, problemsText(), ''],
  ].join('\n\n');
}

const head = `# API

Made by \`npm run generate\` from the OpenAPI document that a server gives at \`/openapi.json\`, and shows at \`/docs\`; a test
compares it with the code. Bodies are JSON; a field that is not listed is refused. Every answer has a header \`X-Request-Id\`, that of the request where it
brings one. Requests beyond a limit of their number answer 429 with \`Retry-After\`. An error is a [Problem](#problem), whose \`code\` is
[one of these](#problems). In the examples \`$KEY\` is a key that permits the call; [OPERATING.md](OPERATING.md) tells how to make one.`;

const anchor = (title: string): string =>
  title
    .toLowerCase()
    .replace(/[^\w -]/g, '')
    .replaceAll(' ', '-');

function operationText(title: string, method: string, operation: OperationObject): string {
  const { summary, description, parameters = [], requestBody, responses } = operation;
  const isProblem = (content: Content = {}): boolean => 'application/problem+json' in content;
  const answers = Object.entries(responses);
  return [
    `### ${title}`,
    `${summary}. ${description ?? ''}`.trim(),
    `**Access:** ${accessText(operation)}`,
    ...(parameters.length > 0 ? [parametersText(parameters)] : []),
    ...(requestBody
      ? [`**Body:** ${contentText(requestBody.content)}${requestBody.required ? '' : '; may be left out'}`]
      : []),
    table(
      ['answer', 'body', 'meaning'],
      answers
        .filter(([, { content }]) => !isProblem(content))
        .map(([status, { description: meaning, content }]) =>
          row(status, content ? contentText(content) : '', meaning),
        ),
    ),
    `**Problems:** ${answers.flatMap(([status, { content }]) => (isProblem(content) ? [status] : [])).join(', ')}`,
    `\`\`\`sh\n${curl(method, operation)}\n\`\`\``,
  ].join('\n\n');
}

function accessText({ security }: OperationObject): string {
  const scope = security?.flatMap((one) => one.bearer ?? [])[0];
  if (!security || scope === undefined) return 'anyone.';
  const open = security.some((one) => !('bearer' in one));
  return open ? `anyone; where search is locked, a key of scope \`${scope}\`.` : `a key of scope \`${scope}\`.`;
}

const parametersText = (parameters: readonly Parameter[]): string =>
  table(
    ['parameter', 'in', 'type', 'meaning'],
    parameters.map(({ name, in: place, required, schema, description = '' }) =>
      row(
        `\`${name}\`${required ? '' : ' (optional)'}`,
        place,
        typeText(schema),
        withDefault({ ...schema, description }),
      ),
    ),
  );

const contentText = (content: Content): string =>
  Object.entries(content)
    .map(([type, { schema }]) => {
      const named = schema && Object.keys(schema).length > 0 ? typeText(schema) : undefined;
      if (type === 'application/json' && named) return named;
      return named ? `${named} a line, \`${type}\`` : `\`${type}\``;
    })
    .join(', ');

function schemaText(schema: Schema): string {
  return [...(schema.description ? [schema.description] : []), fieldsText(schema)].join('\n\n');
}

/** @throws Error  of an operation without an example */
function curl(method: string, { operationId, security }: OperationObject): string {
  const example = (examples as Record<string, Example | undefined>)[operationId];
  if (!example) throw new Error(`examples.ts: expected an example of ${operationId}, got none; add one`);
  const { path, query, body, lines } = example;
  const isBare = !body && !lines && method !== 'get';
  const address = `localhost:8080${path}${query ? `?${new URLSearchParams(query).toString()}` : ''}`;
  const needsKey = security && !security.some((one) => !('bearer' in one));
  const parts = [
    `curl -s ${isBare || method === 'put' ? `-X ${method.toUpperCase()} ` : ''}${query ? `'${address}'` : address}`,
    ...(needsKey ? ['-H "authorization: Bearer $KEY"'] : []),
    ...(body ? [`-H 'content-type: application/json'`, `-d '${JSON.stringify(body)}'`] : []),
    ...(lines
      ? [
          `-H 'content-type: application/x-ndjson'`,
          `--data-binary '${lines.map((one) => JSON.stringify(one)).join('\n')}'`,
        ]
      : []),
  ];
  return parts.join(' \\\n     ');
}

function problemsText(): string {
  const rows = [...problemKinds].sort((a, b) => a.status - b.status);
  return `## Problems\n\n${table(
    ['code', 'status', 'title'],
    rows.map(({ code, status, title }) => row(`\`${code}\``, String(status), title)),
  )}\n\nWhat to do about each: [OPERATING.md](OPERATING.md#trouble).`;
}
