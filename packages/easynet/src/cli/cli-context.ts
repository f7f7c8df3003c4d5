import { homedir } from "node:os";
import { join } from "node:path";
import pc from "picocolors";
import { describeError, type EasynetError, exitCodeOf } from "../kernel/index.ts";
import { columns } from "./columns.ts";
import type { Language } from "./language.ts";
import { hintOf, type TextKey, textOf, type TextValues } from "./texts.ts";

/** Set for a node that `easynet up --detach` started: its one object is sent to the process that waits for it. */
export const DETACHED_VARIABLE = "EASYNET_DETACHED";

/** What the command line needs of a process; tests bring their own. */
export interface CliIo {
  readonly stdout: CliOutput;
  readonly stderr: CliOutput;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly execPath: string;
  /** The channel to the process that started this one in the background. */
  send?(message: unknown): unknown;
  on(event: "SIGINT" | "SIGTERM", listener: () => void): unknown;
  off(event: "SIGINT" | "SIGTERM", listener: () => void): unknown;
}

export interface CliOutput {
  readonly isTTY?: boolean;
  /** Width of the terminal, characters. */
  readonly columns?: number;
  write(data: string | Uint8Array): unknown;
}

export interface GlobalOptions {
  readonly home?: string;
  readonly json?: boolean;
  readonly color?: boolean;
}

/** What every command gets: where to write, in which language and form. Data goes to stdout, talk to stderr. */
export class CliContext {
  readonly io: CliIo;
  readonly language: Language;
  /** Of a command that ended without an error and still has bad news. */
  exitCode = 0;
  #options: GlobalOptions = {};

  constructor(io: CliIo, language: Language) {
    this.io = io;
    this.language = language;
  }

  /** The options of every command, once they are parsed. */
  useOptions(options: GlobalOptions): void {
    this.#options = options;
  }

  get json(): boolean {
    return this.#options.json ?? false;
  }

  /** The node's folder. */
  get home(): string {
    return this.#options.home ?? (this.io.env["EASYNET_HOME"] || join(homedir(), ".easynet"));
  }

  get homeFlag(): string | undefined {
    return this.#options.home;
  }

  get colors(): ReturnType<typeof pc.createColors> {
    const { env, stdout } = this.io;
    const wanted = (stdout.isTTY ?? false) && env["TERM"] !== "dumb" && !env["NO_COLOR"];
    return pc.createColors(this.#options.color !== false && (wanted || Boolean(env["FORCE_COLOR"])));
  }

  text(key: TextKey, values?: TextValues): string {
    return textOf(this.language, key, values);
  }

  /** A line of data. */
  print(line: string): void {
    this.io.stdout.write(`${line}\n`);
  }

  /** A line of talk: progress, notes, what to do next. */
  say(line: string): void {
    this.io.stderr.write(`${line}\n`);
  }

  /** The one object of `--json`; in the background it goes to the process that waits for it. */
  printJson(value: unknown): void {
    if (this.io.env[DETACHED_VARIABLE] && this.io.send) this.io.send(value);
    else this.print(JSON.stringify(value));
  }

  /** A table with its headings dimmed. */
  printTable(headings: readonly TextKey[], rows: readonly (readonly string[])[]): void {
    const [head = "", ...lines] = columns([headings.map((key) => this.text(key)), ...rows]).split("\n");
    this.print([this.colors.dim(head), ...lines].join("\n"));
  }

  /** Tells what went wrong and what to do; returns the exit code. */
  fail(error: EasynetError, message?: string): number {
    const sentence = message ?? describeError(error.toJSON(), this.language);
    const hint = hintOf(error.code, this.language);
    if (this.json) {
      const { code, retryable, details } = error;
      this.printJson({ code, message: sentence, ...(hint !== undefined && { hint }), retryable, details });
    } else {
      this.say(`${this.colors.red(this.text("error.word"))}: ${sentence}`);
    }
    return exitCodeOf(error.code);
  }

  /**
   * Runs `work` with a signal that Ctrl-C and SIGTERM abort; after the first one they kill again, so that nobody is
   * ever stuck.
   */
  async interruptible<Result>(work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
    const controller = new AbortController();
    const interrupt = (): void => {
      controller.abort();
      this.io.off("SIGINT", interrupt);
      this.io.off("SIGTERM", interrupt);
    };
    this.io.on("SIGINT", interrupt);
    this.io.on("SIGTERM", interrupt);
    try {
      return await work(controller.signal);
    } finally {
      this.io.off("SIGINT", interrupt);
      this.io.off("SIGTERM", interrupt);
    }
  }
}
