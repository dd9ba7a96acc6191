import openapiTS, { astToString } from 'openapi-typescript';
import { format, resolveConfig } from 'prettier';

const head = `/** Made by "npm run generate" from the OpenAPI document: not to be changed by hand. */
/* eslint-disable */
`;

/** The types of an OpenAPI document, as the client imports them. What has a default may be left out. */
export async function clientTypes(document: object, file: string): Promise<string> {
  const ast = await openapiTS(document as Parameters<typeof openapiTS>[0] & object, { defaultNonNullable: false });
  return format(head + astToString(ast), { ...(await resolveConfig(file)), parser: 'typescript' });
}
