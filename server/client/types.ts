/** What goes in and comes out, under the names that the API reference uses. */
import type { components, operations } from './api.ts';

type Schemas = components['schemas'];

export type Analysis = Schemas['Analysis'];
export type AnalysisRequest = Schemas['AnalysisRequest'];
export type AuditEntry = Schemas['AuditResponse']['entries'][number];
export type Candidate = Schemas['Candidate'];
export type Document = Schemas['Document'];
export type DocumentContent = Schemas['DocumentContent'];
export type DocumentsResponse = Schemas['DocumentsResponse'];
export type Edit = Schemas['Edit'];
export type EditOperation = Schemas['EditOperation'];
export type EditOutcome = Schemas['EditOutcome'];
export type EditsResponse = Schemas['EditsResponse'];
export type Evaluation = Schemas['Evaluation'];
export type EvaluationRequest = Schemas['EvaluationRequest'];
export type Export = Schemas['Export'];
export type ImportLine = Schemas['ImportLine'];
export type Info = Schemas['Info'];
export type Key = Schemas['Key'];
export type MadeKey = Schemas['MadeKey'];
export type NewDocument = Schemas['NewDocument'];
export type NewKey = Schemas['NewKey'];
export type Problem = Schemas['Problem'];
export type Readiness = Schemas['Readiness'];
export type RetrieveBatchResponse = Schemas['RetrieveBatchResponse'];
export type RetrieveRequest = Schemas['RetrieveRequest'];
export type RetrieveResponse = Schemas['RetrieveResponse'];
export type Snapshot = Schemas['Snapshot'];
export type Task = Schemas['Task'];
export type TasksResponse = Schemas['TasksResponse'];

/** Query parameters of an operation. */
export type Parameters<O extends keyof operations> = NonNullable<operations[O]['parameters']['query']>;

/** A condition on the metadata. */
export type Filter = NonNullable<RetrieveRequest['filter']>;
