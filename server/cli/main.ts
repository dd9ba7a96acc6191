#!/usr/bin/env node
import { runProgram } from './command.ts';
import { index } from './index.ts';
import { retrieve } from './retrieve.ts';
import { serve } from './serve.ts';

process.exitCode = await runProgram([serve, index, retrieve], process.argv.slice(2));
