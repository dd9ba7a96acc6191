/** @file All tests of an audit, and what they say together. */
import { gather, type AuditCase } from './audit-case.ts';
import type { Finding } from './finding.ts';
import { auditTestNames, auditTests, type AuditTestName } from './table.ts';

export interface TestResult {
  readonly test: AuditTestName;
  readonly meaning: string;
  readonly passed: boolean;
  readonly findings: readonly Finding[];
  readonly seconds: number;
}

export interface AuditResult {
  readonly passed: boolean;
  readonly deleted: readonly string[];
  readonly controls: number;
  readonly tests: readonly TestResult[];
}

/** Nothing to compare with, or nothing to compare. */
export class AuditError extends Error {
  override readonly name = 'AuditError';
}

/** @throws AuditError */
export async function runAudit(audit: AuditCase, onTest?: (test: AuditTestName) => void): Promise<AuditResult> {
  const { deleted, controls, before } = audit;
  if (!deleted.length) throw new AuditError('audit: expected deleted documents, got none; name some');
  if (controls.length < 2)
    throw new AuditError(
      `audit: expected documents that were never indexed to compare with, got ${controls.length}; give a corpus that has some`,
    );
  const unknown = deleted.find(({ docid }) => !before.rowOf.has(docid));
  if (unknown)
    throw new AuditError(
      `audit: '${unknown.docid}': expected a document of the model before, got another; give the model from before`,
    );
  const evidence = await gather(audit);
  const tests: TestResult[] = [];
  for (const test of auditTestNames) {
    onTest?.(test);
    const started = performance.now();
    const { meaning, run } = auditTests[test];
    const findings = await run(evidence);
    const seconds = Math.round(performance.now() - started) / 1000;
    tests.push({ test, meaning, passed: findings.every(({ passed }) => passed), findings, seconds });
  }
  return {
    passed: tests.every(({ passed }) => passed),
    deleted: deleted.map(({ docid }) => docid),
    controls: controls.length,
    tests,
  };
}
