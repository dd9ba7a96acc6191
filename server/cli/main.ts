#!/usr/bin/env node
import './young-generation.ts';
import { analyze } from './analyze.ts';
import { auditDelete } from './audit-delete.ts';
import { runProgram } from './command.ts';
import { compact } from './compact.ts';
import { editGroup } from './edit.ts';
import { editBench } from './edit-bench.ts';
import { evaluate } from './evaluate.ts';
import { explain } from './explain.ts';
import { exportModel } from './export.ts';
import { importHf } from './import-hf.ts';
import { index } from './index.ts';
import { keysGroup } from './keys.ts';
import { retrieve } from './retrieve.ts';
import { snapshotGroup } from './snapshot.ts';
import { serve } from './serve.ts';

process.exitCode = await runProgram(
  [
    serve,
    index,
    importHf,
    retrieve,
    explain,
    evaluate,
    analyze,
    editGroup,
    keysGroup,
    snapshotGroup,
    compact,
    exportModel,
    editBench,
    auditDelete,
  ],
  process.argv.slice(2),
);
