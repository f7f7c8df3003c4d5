import { createReadStream } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { EasynetError } from "../../kernel/index.ts";
import type { ArtifactReport } from "../../messaging/index.ts";
import type { CliContext } from "../cli-context.ts";
import { formatAge, formatBytes } from "../format.ts";
import { LocalClient } from "../local-client.ts";

const PROGRESS_STEP_MS = 250;

/** Keeps a file and prints its address. @throws {EasynetError} ARTIFACT_TOO_LARGE, ARTIFACTS_FULL, INVALID_ARGUMENT */
export async function putArtifact(
  context: CliContext,
  file: string,
  options: { readonly pin?: boolean; readonly public?: boolean },
): Promise<void> {
  const client = LocalClient.open(context.home);
  const path = `/api/artifacts?pin=${options.pin === true}&public=${options.public === true}`;
  const source = file === "-" ? process.stdin : await opened(file);
  const stored = await context.interruptible((signal) =>
    client.upload({ path, source: told(context, source), signal }),
  );
  if (!isArtifact(stored)) throw new EasynetError("INTERNAL", { reason: "the node sent no artifact" });
  if (context.json) context.printJson(stored);
  else context.print(stored.cid);
}

/** Writes an artifact where it is wanted; a file appears once all of it is written. */
export async function getArtifact(
  context: CliContext,
  cid: string,
  options: { readonly output?: string },
): Promise<void> {
  const client = LocalClient.open(context.home);
  const { output } = options;
  if (context.json && output === undefined) {
    throw new EasynetError("INVALID_ARGUMENT", { subject: "The command line", reason: "--json needs -o FILE" });
  }
  await context.interruptible(async (signal) => {
    const { body, bytes } = await client.download({ path: `/api/artifacts/${encodeURIComponent(cid)}`, signal });
    const content = told(context, body, bytes);
    if (output === undefined) {
      for await (const part of content) await written(context, part);
      return;
    }
    await save(output, content);
    if (context.json) context.printJson({ cid, bytes, file: output });
    else context.say(context.text("artifact.written", { bytes: formatBytes(bytes), file: output }));
  });
}

export async function listArtifacts(context: CliContext): Promise<void> {
  const answer = await LocalClient.open(context.home).get("/api/artifacts");
  if (!isList(answer)) throw new EasynetError("INTERNAL", { reason: "the node sent no artifacts" });
  if (context.json) context.printJson(answer);
  else if (answer.artifacts.length === 0) context.say(context.text("artifact.none"));
  else {
    const nowMs = Date.now();
    const rows = answer.artifacts.map(({ cid, bytes, complete, pinned, usedAtMs, public: shared }) => {
      const state = context.text(complete ? "artifact.complete" : "artifact.partial");
      const more = [
        ...(pinned ? [context.text("artifact.pinned")] : []),
        ...(shared ? [context.text("artifact.isPublic")] : []),
      ];
      const words = [state, ...more].join(", ");
      return [cid, formatBytes(bytes), words, formatAge(nowMs - usedAtMs, context.language)];
    });
    context.printTable(["column.id", "column.bytes", "column.state", "column.since"], rows);
    const { usedBytes, quotaBytes } = answer;
    context.say(context.text("artifact.used", { used: formatBytes(usedBytes), quota: formatBytes(quotaBytes) }));
  }
}

/** @throws {EasynetError} ARTIFACT_NOT_FOUND, ARTIFACT_ID_INVALID */
export async function pinArtifact(context: CliContext, cid: string, pinned: boolean): Promise<void> {
  const answer = await LocalClient.open(context.home).put(`/api/artifacts/${encodeURIComponent(cid)}/pin`, { pinned });
  if (context.json) context.printJson(answer);
  else context.say(context.text(pinned ? "artifact.nowPinned" : "artifact.nowUnpinned", { cid }));
}

export async function removeArtifact(context: CliContext, cid: string): Promise<void> {
  const answer = await LocalClient.open(context.home).delete(`/api/artifacts/${encodeURIComponent(cid)}`);
  if (context.json) context.printJson(answer);
  else context.say(context.text("artifact.removed", { cid }));
}

async function opened(file: string): Promise<AsyncIterable<Uint8Array>> {
  try {
    const handle = await open(file);
    return createReadStream("", { fd: handle });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new EasynetError("INVALID_ARGUMENT", { subject: file, reason }, { cause });
  }
}

async function save(file: string, content: AsyncIterable<Uint8Array>): Promise<void> {
  const temporary = `${file}.part-${process.pid}`;
  try {
    const handle = await open(temporary, "w");
    try {
      for await (const part of content) await handle.writeFile(part);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (cause) {
    await rm(temporary, { force: true });
    if (cause instanceof EasynetError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new EasynetError("INVALID_ARGUMENT", { subject: file, reason }, { cause });
  }
}

/** Waits for a reader of standard output that is slower than the node. */
async function written({ io }: CliContext, part: Uint8Array): Promise<void> {
  if (io.stdout.write(part) !== false || io.stdout !== process.stdout) return;
  await new Promise<void>((resolve) => {
    process.stdout.once("drain", resolve);
  });
}

/** The same bytes; a terminal is told how far they are. */
async function* told(
  context: CliContext,
  source: AsyncIterable<Uint8Array>,
  total?: number,
): AsyncGenerator<Uint8Array, void, void> {
  const { stderr } = context.io;
  const shows = stderr.isTTY === true && !context.json;
  let [bytes, toldAtMs] = [0, 0];
  for await (const part of source) {
    yield part;
    bytes += part.length;
    const nowMs = performance.now();
    if (!shows || nowMs - toldAtMs < PROGRESS_STEP_MS) continue;
    toldAtMs = nowMs;
    const line =
      total === undefined
        ? formatBytes(bytes)
        : context.text("artifact.progress", { bytes: formatBytes(bytes), total: formatBytes(total) });
    stderr.write(`\r\u001B[K${line}`);
  }
  if (shows) stderr.write("\r\u001B[K");
}

function isArtifact(value: unknown): value is ArtifactReport {
  return typeof value === "object" && value !== null && "cid" in value && "bytes" in value;
}

interface ArtifactList {
  readonly artifacts: readonly ArtifactReport[];
  readonly usedBytes: number;
  readonly quotaBytes: number;
}

function isList(value: unknown): value is ArtifactList {
  if (typeof value !== "object" || value === null || !("usedBytes" in value) || !("quotaBytes" in value)) return false;
  return "artifacts" in value && Array.isArray(value.artifacts);
}
