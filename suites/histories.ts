import type {
  AppendCall,
  Operation,
  RegisterCall,
  RegisterValue,
} from "../packages/easynet/src/testing/linearizability/index.ts";

/** Pairs the lines of each process: what it asked, and how that ended. */
class Pairing<Call> {
  readonly #ended: Operation<Call>[] = [];
  readonly #open = new Map<string, { readonly call: Call; readonly invokedAt: number }>();

  begin(process: string, call: Call, invokedAt: number): void {
    this.#open.set(process, { call, invokedAt });
  }

  end(process: string, returnedAt: number, answer: (asked: Call) => Call): void {
    const begun = this.#open.get(process);
    if (!begun) throw new Error(`process ${process} ends what it has not begun`);
    this.#open.delete(process);
    this.#ended.push({ call: answer(begun.call), invokedAt: begun.invokedAt, returnedAt });
  }

  /** The history, with what never ended. */
  finish(): readonly Operation<Call>[] {
    return [...this.#ended, ...[...this.#open.values()].map((begun) => ({ ...begun, returnedAt: Infinity }))];
  }
}

const JEPSEN_LINE = /-\s+(?<process>\d+)\s+:(?<type>\w+)\s+:(?<kind>\w+)\s+(?<value>.*)$/;

/** Lines of Jepsen about one register. */
export function readJepsen(lines: readonly string[]): readonly Operation<RegisterCall>[] {
  const pairing = new Pairing<RegisterCall>();
  for (const [time, line] of lines.entries()) {
    const { process = "", type = "", kind, value = "" } = JEPSEN_LINE.exec(line)?.groups ?? {};
    if (type === "invoke") pairing.begin(process, registerCall(kind, value), time);
    // A read that timed out has seen anything or nothing: one without an end says as much.
    else if (value === ":timed-out") pairing.end(process, Infinity, (asked) => asked);
    else pairing.end(process, time, (asked) => registerAnswer(asked, type === "ok", value));
  }
  return pairing.finish();
}

function registerCall(kind: string | undefined, text: string): RegisterCall {
  const [first, second] = numbersIn(text);
  if (kind === "read") return { kind, value: undefined };
  if (kind === "write") return { kind, value: first };
  if (kind === "cas") return { kind, from: first, to: second, done: false };
  throw new Error(`not an operation: ${kind} ${text}`);
}

function registerAnswer(asked: RegisterCall, done: boolean, text: string): RegisterCall {
  if (asked.kind === "read") return { ...asked, value: numbersIn(text)[0] };
  return asked.kind === "cas" ? { ...asked, done } : asked;
}

function numbersIn(text: string): readonly RegisterValue[] {
  return text.match(/\d+/g) ?? [];
}

type KeyedCall = AppendCall & { readonly key: string };

const TEXT_LINE =
  /:process (?<process>\d+), :type :(?<type>\w+), :f :(?<kind>\w+), :key "(?<key>.*?)", :value (?:nil|"(?<value>.*)")\}$/;

/** Lines of EDN about texts under keys. */
export function readTexts(lines: readonly string[]): readonly Operation<KeyedCall>[] {
  const pairing = new Pairing<KeyedCall>();
  for (const [time, line] of lines.entries()) {
    const { process = "", type, kind, key = "", value = "" } = TEXT_LINE.exec(line)?.groups ?? {};
    if (kind !== "get" && kind !== "put" && kind !== "append") throw new Error(`not an operation: ${line}`);
    if (type === "invoke") pairing.begin(process, { kind, key, value }, time);
    else pairing.end(process, time, (asked) => ({ ...asked, value }));
  }
  return pairing.finish();
}
