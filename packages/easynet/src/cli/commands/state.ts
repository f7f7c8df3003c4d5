import { readFileSync, writeFileSync } from "node:fs";
import { EasynetError } from "../../kernel/index.ts";
import type {
  Backup,
  Change,
  Consistency,
  MergeRule,
  Reading,
  SpaceReport,
  StateEvent,
  Version,
} from "../../state/index.ts";
import type { CliContext } from "../cli-context.ts";
import { printable } from "../columns.ts";
import { formatAge, parseDurationMs, shortDid } from "../format.ts";
import { LocalClient } from "../local-client.ts";
import { parseArgument } from "./call-arguments.ts";

/** A read or write may wait for other replicas this long before the command gives up on the node, ms. */
const TIMEOUT_MS = 30_000;
const STDIO = "-";

interface OfSpace {
  readonly space?: string;
}

interface Level extends OfSpace {
  readonly consistency?: Consistency;
}

interface DeclareOptions {
  readonly merge?: MergeRule;
  readonly replica?: readonly string[];
  readonly entries?: string;
  readonly history?: string;
}

export async function spaces(context: CliContext): Promise<void> {
  const { spaces: all } = checked(await LocalClient.open(context.home).get("/api/state"), isSpaces);
  if (context.json) return context.printJson({ spaces: all });
  const rows = all.map((space) => [space.name, space.merge, String(space.entries), replicasOf(context, space)]);
  return context.printTable(["column.name", "column.merge", "column.entries", "column.replicas"], rows);
}

export async function declare(context: CliContext, name: string, options: DeclareOptions): Promise<void> {
  const { merge, replica, entries, history: historyMax } = options;
  const report = checked(
    await LocalClient.open(context.home).put(pathOf(name), {
      merge,
      replicas: replica,
      ...(entries !== undefined && { entriesMax: Number(entries) }),
      ...(historyMax !== undefined && { historyMax: Number(historyMax) }),
    }),
    isSpace,
  );
  if (context.json) return context.printJson(report);
  const { merge: rule } = report;
  return context.say(context.text("state.declared", { name, merge: rule, replicas: replicasOf(context, report) }));
}

export async function get(
  context: CliContext,
  key: string,
  { space, staleness, ...options }: Level & { readonly token?: string; readonly staleness?: string },
): Promise<void> {
  const stalenessMs = staleness === undefined ? undefined : durationMsOf(context, staleness);
  const path = pathOf(space, "value", { key, ...options, stalenessMs });
  const reading = checked(await LocalClient.open(context.home).get(path, { timeoutMs: TIMEOUT_MS }), isReading);
  if (!reading.found) throw new EasynetError("STATE_KEY_UNKNOWN", { key, space: space ?? "default" });
  if (context.json) return context.printJson(reading);
  if (!reading.conflict) return context.print(wordOf(reading.value));
  for (const version of reading.versions) context.print(wordOf(version.value));
  return context.say(context.text("state.conflict", { key: printable(key) }));
}

export async function put(
  context: CliContext,
  key: string,
  { value, ...options }: Level & { readonly value: string; readonly resolve?: boolean },
): Promise<void> {
  await write(context, key, { ...options, change: { kind: "put", value: parseArgument(value, context) } });
}

export async function remove(context: CliContext, key: string, options: Level): Promise<void> {
  await write(context, key, { ...options, change: { kind: "delete" } });
}

export async function element(
  context: CliContext,
  key: string,
  { kind, element: word, ...options }: OfSpace & { readonly kind: "add" | "remove"; readonly element: string },
): Promise<void> {
  await write(context, key, { ...options, change: { kind, element: parseArgument(word, context) } });
}

export async function increment(
  context: CliContext,
  key: string,
  { by = "1", ...options }: OfSpace & { readonly by?: string },
): Promise<void> {
  await write(context, key, { ...options, change: { kind: "increment", by: Number(by) } });
}

export async function watch(
  context: CliContext,
  { space = "default", key, prefix }: OfSpace & { readonly key?: string; readonly prefix?: string },
): Promise<void> {
  const client = LocalClient.open(context.home);
  if (!context.json) context.say(context.text("state.watching", { space }));
  await context.interruptible(async (signal) => {
    const path = pathOf(space, "events", { key, prefix });
    try {
      for await (const { type, data } of client.stream({ method: "GET", path, signal })) {
        if (context.json) context.printJson(data);
        else if (type === "dropped") context.say(context.text("watch.dropped", { count: Number(Object(data).count) }));
        else context.print(describe(context, checked(data, isEvent)));
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    if (signal.aborted) throw new EasynetError("CANCELLED", { subject: "easynet state watch" });
  });
}

export async function history(context: CliContext, key: string, { space }: OfSpace): Promise<void> {
  const answer = await LocalClient.open(context.home).get(pathOf(space, "history", { key }));
  const { versions } = checked(answer, isHistory);
  if (context.json) return context.printJson({ versions });
  if (versions.length === 0) return context.say(context.text("state.none", { key: printable(key) }));
  const nowMs = Date.now();
  const rows = versions.map((version) => [
    formatAge(Math.max(0, nowMs - version.atMs), context.language),
    shortDid(version.writer),
    "value" in version ? wordOf(version.value) : context.text("state.deleted"),
  ]);
  return context.printTable(["column.when", "column.by", "column.value"], rows);
}

export async function backup(context: CliContext, file: string, { space }: OfSpace): Promise<void> {
  const answer = await LocalClient.open(context.home).get(pathOf(space, "backup"), { timeoutMs: TIMEOUT_MS });
  const taken = checked(answer, isBackup);
  const text = JSON.stringify(taken);
  if (file === STDIO) return context.print(text);
  try {
    writeFileSync(file, `${text}\n`, { mode: 0o600 });
  } catch (cause) {
    throw fileError(file, cause);
  }
  const about = { space: taken.space, count: taken.entries.length, file };
  if (context.json) return context.printJson(about);
  return context.say(context.text("state.saved", about));
}

export async function restore(context: CliContext, file: string, { space }: OfSpace): Promise<void> {
  const taken = readBackup(file);
  const to = space ?? taken.space;
  const path = pathOf(to, "restore");
  const answer = await LocalClient.open(context.home).post(path, taken, { timeoutMs: TIMEOUT_MS });
  const { restored: count } = checked(answer, isRestored);
  if (context.json) context.printJson({ space: to, restored: count });
  else context.say(context.text("state.restored", { count, space: to }));
}

async function write(
  context: CliContext,
  key: string,
  { space, ...body }: Level & { readonly change: Change; readonly resolve?: boolean },
): Promise<void> {
  const client = LocalClient.open(context.home);
  const receipt = await client.post(pathOf(space, "value"), { key, ...body }, { timeoutMs: TIMEOUT_MS });
  if (context.json) context.printJson(receipt);
  else context.say(context.text("state.written"));
}

function readBackup(file: string): Backup {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file === STDIO ? 0 : file, "utf8"));
  } catch (cause) {
    throw fileError(file, cause);
  }
  if (isBackup(value)) return value;
  throw new EasynetError("INVALID_ARGUMENT", { subject: file, reason: "it is no backup of a space" });
}

function fileError(file: string, cause: unknown): EasynetError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new EasynetError("INVALID_ARGUMENT", { subject: file, reason }, { cause });
}

function durationMsOf(context: CliContext, text: string): number {
  const durationMs = parseDurationMs(text);
  if (durationMs !== undefined) return durationMs;
  throw new EasynetError("INVALID_ARGUMENT", { subject: "--staleness", reason: context.text("usage.notDuration") });
}

function describe(context: CliContext, event: StateEvent): string {
  const value = event.found ? wordOf(event.value) : context.text("state.deleted");
  const line = `${printable(event.key)}  ${value}  ${shortDid(event.writer)}`;
  if (event.concurrent.length === 0) return line;
  const values = event.concurrent.map((version) =>
    "value" in version ? wordOf(version.value) : context.text("state.deleted"),
  );
  return `${line}  ${context.text("state.concurrent", { values: values.join(", ") })}`;
}

function wordOf(value: unknown): string {
  return printable(typeof value === "string" ? value : JSON.stringify(value));
}

function replicasOf(context: CliContext, { replicas, unreachable }: SpaceReport): string {
  const who = replicas === "everyone" ? context.text("state.everyone") : replicas.map(shortDid).join(", ");
  if (unreachable.length === 0) return who;
  return `${who} (${context.text("state.outOfReach", { count: unreachable.length })})`;
}

function pathOf(space = "default", what = "", query: object = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value));
  const path = `/api/state/${encodeURIComponent(space)}${what === "" ? "" : `/${what}`}`;
  return search.size === 0 ? path : `${path}?${search.toString()}`;
}

function checked<Value>(value: unknown, is: (value: unknown) => value is Value): Value {
  if (is(value)) return value;
  throw new EasynetError("INTERNAL", { reason: "the node sent something else than was asked for" });
}

function has(value: unknown, ...names: readonly string[]): boolean {
  return typeof value === "object" && value !== null && names.every((name) => name in value);
}

const isSpace = (value: unknown): value is SpaceReport => has(value, "name", "merge", "replicas", "unreachable");
const isSpaces = (value: unknown): value is { readonly spaces: readonly SpaceReport[] } => has(value, "spaces");
const isReading = (value: unknown): value is Reading => has(value, "key", "found", "versions", "conflict");
const isEvent = (value: unknown): value is StateEvent => has(value, "key", "found", "writer", "concurrent");
const isHistory = (value: unknown): value is { readonly versions: readonly Version[] } => has(value, "versions");
const isBackup = (value: unknown): value is Backup => has(value, "space", "merge", "entries");
const isRestored = (value: unknown): value is { readonly restored: number } => has(value, "restored");
