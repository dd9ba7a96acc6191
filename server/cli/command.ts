/**
 * How every command of the program is defined, and what the program promises of all of them: with `--json` one JSON object
 * on standard output; progress and notes on standard error; exit code 0, 1 (failed) or 2 (used wrongly).
 */
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { packageVersion } from '../paths.ts';

/** The command line asks for something that does not exist or does not fit. Exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Turns the text of an option into its value, or says what was expected. */
export type Parse<T> = (text: string) => T;

/** One option: its flags as commander writes them, what it means, how its text is read. */
export interface OptionSpec<T> {
  readonly flags: string;
  readonly description: string;
  /** Left out for a flag, which is true when given, and for plain text. */
  readonly parse?: Parse<T>;
  readonly default?: T;
  /** Environment variable that stands in for the option. */
  readonly env?: string;
  readonly required?: boolean;
}

/** The options of a command, by the names that `run` sees them under. Commander makes the same names from the flags. */
export type OptionSpecs<O> = { readonly [N in keyof O]-?: OptionSpec<Exclude<O[N], undefined>> };

/** A value by its place: `<docid>`, `[docid]`. */
export interface ArgumentSpec<T> {
  readonly syntax: string;
  readonly description: string;
  /** Left out for plain text. */
  readonly parse?: Parse<T>;
}

/** Says something besides the result: a line on standard error. */
export type Note = (line: string) => void;

/** @typeParam A  values by their places, which `run` gets among the options */
export interface CommandSpec<O, R, A extends object = object> {
  readonly name: string;
  readonly summary: string;
  /** In the order in which they are given. */
  readonly arguments?: { readonly [N in keyof A]: ArgumentSpec<Exclude<A[N], undefined>> };
  readonly options: OptionSpecs<O>;
  run(options: O & A, note: Note): Promise<R>;
  /** The result for programs, under `--json`; as it is where left out. */
  json?(result: R): unknown;
  /** The result for people. */
  text(result: R): string;
  /** Whether the exit code is 0; always where left out. */
  succeeded?(result: R): boolean;
}

/** The command did what it should, and what it found is not as it should be. */
class Unsuccessful extends Error {}

/** A command, its types forgotten: what `main.ts` lists. */
export type CliCommand = (program: Command, write: (text: string) => void) => void;

export function defineCommand<O, R, A extends object = object>(spec: CommandSpec<O, R, A>): CliCommand {
  return (program, write) => {
    const command = program.command(spec.name).description(spec.summary).allowExcessArguments(false);
    const places = Object.entries<ArgumentSpec<unknown>>(spec.arguments ?? {});
    for (const [, { syntax, description, parse }] of places) {
      const argument = new Argument(syntax, description);
      command.addArgument(parse ? argument.argParser(parse) : argument);
    }
    for (const option of Object.values<OptionSpec<unknown>>(spec.options)) command.addOption(toOption(option));
    command.option('--json', 'print one JSON object on standard output');
    command.action(async () => {
      const { json = false, ...options } = command.opts<{ json?: boolean }>();
      const given = Object.fromEntries(places.map(([name], i) => [name, command.processedArgs[i] as unknown]));
      const result = await spec.run(
        { ...options, ...given } as O & A,
        (line) => void process.stderr.write(`${line}\n`),
      );
      const said = json ? JSON.stringify(spec.json ? spec.json(result) : result) : spec.text(result);
      if (said) write(`${said}\n`);
      if (spec.succeeded && !spec.succeeded(result)) throw new Unsuccessful();
    });
  };
}

/** Commands under a name of their own: `edit add`, `edit delete`, … */
export function defineGroup(name: string, summary: string, commands: readonly CliCommand[]): CliCommand {
  return (program, write) => {
    const group = program.command(name).description(summary);
    for (const command of commands) command(group, write);
  };
}

function toOption({
  flags,
  description,
  parse,
  default: fallback,
  env,
  required = false,
}: OptionSpec<unknown>): Option {
  const option = new Option(flags, description).makeOptionMandatory(required);
  if (fallback !== undefined) option.default(fallback);
  if (env !== undefined) option.env(env);
  if (parse) option.argParser(parse);
  return option;
}

export function integer(least: number, most: number): Parse<number> {
  return (text) => {
    const value = /^\d{1,15}$/.test(text.trim()) ? Number(text) : NaN;
    if (value >= least && value <= most) return value;
    throw new InvalidArgumentError(`Expected a whole number from ${least} to ${most}.`);
  };
}

export function oneOf<T extends string>(values: readonly T[]): Parse<T> {
  return (text) => {
    const value = values.find((known) => known === text);
    if (value !== undefined) return value;
    throw new InvalidArgumentError(`Expected one of ${values.join(', ')}.`);
  };
}

/** Text with something in it, of a length that a command can take. */
export function textUpTo(most: number): Parse<string> {
  return (text) => {
    if (/\S/.test(text) && text.length <= most) return text;
    throw new InvalidArgumentError(`Expected 1 to ${most} characters.`);
  };
}

/** Runs the command that `args` name and returns the exit code. Never throws, never exits. */
export async function runProgram(commands: readonly CliCommand[], args: readonly string[]): Promise<number> {
  const program = new Command('palimpsest')
    .description('A retrieval server whose index is a model.')
    .version(packageVersion)
    .exitOverride()
    .showHelpAfterError('(see --help)')
    .configureHelp({ showGlobalOptions: true });
  for (const command of commands) command(program, (text) => void process.stdout.write(text));
  try {
    await program.parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2; // Commander has printed it.
    if (error instanceof Unsuccessful) return 1;
    process.stderr.write(`palimpsest: ${describe(error)}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return process.env.PALIMPSEST_DEBUG === '1'
    ? (error.stack ?? error.message)
    : error.message.replace(/\s*\n\s*/g, ' ');
}
