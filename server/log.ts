import pino from 'pino';
import type { RequestRecord } from './request-log.ts';

/** How a server tells what happens: lines for people, or one JSON object a line for programs. */
export const logFormats = ['text', 'json'] as const;
export type LogFormat = (typeof logFormats)[number];

export interface Log {
  /** Something that a person should know, most often what went wrong; `fields` are what the line says, for programs. */
  (line: string, fields?: object): void;
  /** Every request when it has ended. */
  request(record: RequestRecord): void;
}

/** Lines for people: without requests, of which there are too many. */
export function textLog(write: (line: string) => void): Log {
  return Object.assign((line: string) => write(line), { request: () => undefined });
}

/**
 * A JSON object for each line, requests included: their id, route, status, milliseconds, address, and the name of the key;
 * no query, no document, no secret.
 */
export function jsonLog(write: (line: string) => void): Log {
  const options = { base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: labelOf } };
  const logger = pino(options, { write: (line: string) => write(line.trimEnd()) });
  const note = (line: string, fields = {}): void => logger.error(fields, line);
  return Object.assign(note, { request: ({ ms, ...record }: RequestRecord) => logRequest(logger, ms, record) });
}

const labelOf = (level: string): { level: string } => ({ level });

function logRequest(logger: pino.Logger, ms: number, record: Omit<RequestRecord, 'ms'>): void {
  const { method, path, status } = record;
  logger.info({ ...record, ms: Math.round(ms * 100) / 100 }, `${method} ${path} ${status}`);
}
