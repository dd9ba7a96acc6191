import { editParams, outcomeOf, type DocumentEditOptions, type ExpectingOptions } from './edit-call.ts';
import { importDocuments, importInTask, type ImportOptions } from './import.ts';
import type { Tasks } from './tasks.ts';
import { dataAndHeader, dataOf, withSignal, type CallOptions, type Transport } from './transport.ts';
import type {
  Document,
  DocumentContent,
  DocumentsResponse,
  EditOperation,
  EditOutcome,
  Filter,
  ImportLine,
  NewDocument,
  Parameters,
  Task,
} from './types.ts';

/** A document and what `ifMatch` compares. */
export type TaggedDocument = Document & { readonly etag: string };

export type ListQuery = Omit<Parameters<'get_documents'>, 'filter'> & { readonly filter?: Filter };

/** The corpus: looked at, and edited in the weights. */
export class Documents {
  private readonly transport: Transport;
  private readonly tasks: Tasks;

  constructor(transport: Transport, tasks: Tasks) {
    this.transport = transport;
    this.tasks = tasks;
  }

  /** One page, in the order they were added or, with `q`, best first. @throws PalimpsestError */
  list({ filter, ...rest }: ListQuery = {}, options: CallOptions = {}): Promise<DocumentsResponse> {
    const query = { ...rest, ...(filter && { filter: JSON.stringify(filter) }) };
    return dataOf(this.transport.api.GET('/documents', { params: { query }, ...withSignal(options) }));
  }

  /** @throws PalimpsestError  code `document_not_found` where there is none */
  async get(docid: string, options: CallOptions = {}): Promise<TaggedDocument> {
    const init = { params: { path: { docid } }, ...withSignal(options) };
    const [document, etag] = await dataAndHeader(this.transport.api.GET('/documents/{docid}', init), 'etag');
    return { ...document, etag: etag ?? '' };
  }

  /** @throws PalimpsestError */
  add(document: NewDocument, options: DocumentEditOptions = {}): Promise<EditOutcome> {
    const init = { params: editParams(options), body: document, ...withSignal(options) };
    return this.outcome(dataOf(this.transport.api.POST('/documents', init)), options);
  }

  /** Several operations as one edit: all of them or none. @throws PalimpsestError */
  edit(operations: readonly EditOperation[], options: DocumentEditOptions = {}): Promise<EditOutcome> {
    const init = { params: editParams(options), body: { operations: [...operations] }, ...withSignal(options) };
    return this.outcome(dataOf(this.transport.api.POST('/documents', init)), options);
  }

  /** Changes all of a document, or adds it where there is none. @throws PalimpsestError */
  put(docid: string, content: DocumentContent, options: ExpectingOptions = {}): Promise<EditOutcome> {
    const init = { params: { path: { docid }, ...editParams(options) }, body: content, ...withSignal(options) };
    return this.outcome(dataOf(this.transport.api.PUT('/documents/{docid}', init)), options);
  }

  /** @param options.forget  erase all that it ever said; it cannot be undone then. @throws PalimpsestError */
  delete(docid: string, options: ExpectingOptions & { readonly forget?: boolean } = {}): Promise<EditOutcome> {
    const { query, header } = editParams(options);
    const params = { path: { docid }, header, query: { ...query, ...(options.forget && { forget: true }) } };
    const answer = this.transport.api.DELETE('/documents/{docid}', { params, ...withSignal(options) });
    return this.outcome(dataOf(answer), options);
  }

  /** @throws PalimpsestError */
  rename(docid: string, to: string, options: ExpectingOptions = {}): Promise<EditOutcome> {
    const init = { params: { path: { docid }, ...editParams(options) }, body: { to }, ...withSignal(options) };
    return this.outcome(dataOf(this.transport.api.POST('/documents/{docid}/rename', init)), options);
  }

  /**
   * Adds documents as they come over one connection, and yields what became of each, in order. Whoever reads slowly slows
   * the sending down. To import the same again is harmless: what is there already answers with status 409.
   *
   * @throws PalimpsestError where the import as a whole is refused, or the connection lost; what `documents` throws
   */
  import(
    documents: AsyncIterable<NewDocument> | Iterable<NewDocument>,
    options: ImportOptions = {},
  ): AsyncGenerator<ImportLine, void, undefined> {
    return importDocuments(this.transport, documents, options);
  }

  /**
   * Sends all documents first; a task adds them then, and goes on where it stopped when the server is started again.
   * `tasks.results` tells what became of each.
   *
   * @throws PalimpsestError; what `documents` throws
   */
  importInTask(
    documents: AsyncIterable<NewDocument> | Iterable<NewDocument>,
    options: ImportOptions = {},
  ): Promise<Task> {
    return importInTask(this.transport, documents, options);
  }

  private outcome(answer: Promise<EditOutcome | Task>, options: DocumentEditOptions): Promise<EditOutcome> {
    return outcomeOf(answer, this.tasks, options);
  }
}
