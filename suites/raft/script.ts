/** The text format of scripted tests ("datadriven"): commands, each with the exact output that it must have. */

export interface Argument {
  readonly key: string;
  /** Empty for an argument without "=". */
  readonly values: readonly string[];
}

export interface Command {
  /** Line of the command in its file, from 1. */
  readonly line: number;
  readonly text: string;
  readonly name: string;
  readonly args: readonly Argument[];
  /** Between the command and `----`. */
  readonly input: string;
  readonly expected: string;
}

/** Parses a file; blank lines and comments between commands are skipped. */
export function parseScript(text: string): readonly Command[] {
  const lines = text.split("\n");
  const commands: Command[] = [];
  let at = 0;
  const takeUntil = (isEnd: (line: string) => boolean): string[] => {
    const from = at;
    while (at < lines.length && !isEnd(lines[at] ?? "")) at++;
    return lines.slice(from, at);
  };
  while (at < lines.length) {
    const first = lines[at] ?? "";
    if (first.trim() === "" || first.startsWith("#")) {
      at++;
      continue;
    }
    const line = at + 1;
    let command = first;
    at++;
    while (command.endsWith("\\")) command = command.slice(0, -1) + (lines[at++] ?? "");
    const input = takeUntil((each) => each === "----")
      .join("\n")
      .trim();
    at++;
    const expected = takeUntil((each) => each === "").join("\n");
    const [name = "", ...args] = split(command);
    commands.push({ line, text: command, name, args: args.map(parseArgument), input, expected });
  }
  return commands;
}

/** At spaces outside of parentheses. */
function split(command: string): string[] {
  return command.match(/(?:\([^)]*\)|\S)+/g) ?? [];
}

function parseArgument(text: string): Argument {
  const [, key = text, value] = /^([^=]+)=(.*)$/.exec(text) ?? [];
  if (value === undefined) return { key, values: [] };
  const inner = value.startsWith("(") ? value.slice(1, -1) : value;
  return { key, values: inner.split(",").map((each) => each.trim()) };
}

/** The one value of an argument; undefined when the command does not have it. */
export function valueOf(command: Command, key: string): string | undefined {
  return command.args.find((argument) => argument.key === key)?.values[0];
}

export function numbersOf(command: Command, key: string): readonly number[] {
  return command.args.find((argument) => argument.key === key)?.values.map(Number) ?? [];
}

/** The arguments without "=". */
export function plainNumbers(command: Command): readonly number[] {
  return command.args.filter(({ values }) => values.length === 0).map(({ key }) => Number(key));
}
