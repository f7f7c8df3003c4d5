import { EasynetError, fromWireError, type WireError } from "../../kernel/index.ts";
import type { RoutedEvent } from "../../routing/index.ts";
import type { CliContext } from "../cli-context.ts";
import { printable, printableText } from "../columns.ts";
import { formatBytes, formatMs, parseDurationMs } from "../format.ts";
import { LocalClient } from "../local-client.ts";
import { parseArgument, parseNamedArguments } from "./call-arguments.ts";
import { streamOverWebSocket } from "./large-call.ts";

export interface CallOptions {
  readonly kwargs?: string;
  readonly stream?: boolean;
  readonly timeout?: string;
  readonly target?: string;
  readonly priority?: string;
  readonly id?: string;
}

/** Bodies above this go over the WebSocket: the HTTP API takes 1 MiB. */
const HTTP_BODY_BYTES_MAX = 1_000_000;

export async function call(context: CliContext, words: readonly string[], options: CallOptions): Promise<void> {
  const [capability = "", ...rest] = words;
  const client = LocalClient.open(context.home);
  const request = {
    capability,
    args: rest.map((word) => parseArgument(word, context)),
    ...(options.kwargs !== undefined && { kwargs: parseNamedArguments(options.kwargs, context) }),
    ...(options.timeout !== undefined && { timeoutMs: timeoutMsOf(options.timeout, context) }),
    ...(options.target !== undefined && { target: options.target }),
    ...(options.priority !== undefined && { priority: options.priority }),
    ...(options.id !== undefined && { id: options.id }),
  };
  const startMs = performance.now();
  const progress = new CallProgress(context, options.stream ?? false);
  await context.interruptible(async (signal) => {
    const body = JSON.stringify(request);
    const events =
      body.length > HTTP_BODY_BYTES_MAX
        ? streamOverWebSocket(client, { request, signal })
        : client.stream({ method: "POST", path: "/api/call", body, signal });
    for await (const { data } of events) if (isRoutedEvent(data)) progress.take(data);
    if (signal.aborted) throw new EasynetError("CANCELLED", { subject: capability });
  });
  progress.finish(performance.now() - startMs);
}

function timeoutMsOf(text: string, context: CliContext): number {
  const timeoutMs = parseDurationMs(text);
  if (timeoutMs !== undefined && timeoutMs >= 1) return timeoutMs;
  throw new EasynetError("INVALID_ARGUMENT", { subject: "--timeout", reason: context.text("usage.notDuration") });
}

/** What came of a call so far; prints as it goes when streaming. */
class CallProgress {
  readonly #context: CliContext;
  readonly #streaming: boolean;
  readonly #items: unknown[] = [];
  #assigned: Extract<RoutedEvent, { type: "assigned" }> | undefined;
  #attemptsCount = 0;
  #usage: Extract<RoutedEvent, { type: "usage" }> | undefined;
  #final: Extract<RoutedEvent, { type: "final" }> | undefined;
  #error: WireError | undefined;

  constructor(context: CliContext, streaming: boolean) {
    this.#context = context;
    this.#streaming = streaming;
  }

  take(event: RoutedEvent): void {
    if (this.#streaming && this.#context.json) this.#context.printJson(event);
    switch (event.type) {
      case "assigned":
        this.#assigned = event;
        this.#attemptsCount += 1;
        break;
      case "accepted":
        break;
      case "retried":
        this.#say(event);
        break;
      case "item":
        if (this.#streaming) this.#printLive(event.value);
        else this.#items.push(event.value);
        break;
      case "delta":
        if (this.#streaming && !this.#context.json) this.#context.io.stdout.write(printableText(event.text));
        break;
      case "usage":
        this.#usage = event;
        break;
      case "final":
        this.#final = event;
        break;
      case "error":
        this.#error = event.error;
        break;
      case "thought":
      case "tool":
      case "ask":
      case "artifact":
        break;
    }
  }

  /** Prints the result. @throws {EasynetError} what the call failed with */
  finish(durationMs: number): void {
    const context = this.#context;
    const final = this.#final;
    if (this.#error) throw fromWireError(this.#error);
    if (!final) throw new EasynetError("INTERNAL", { reason: "the call ended without a result" });
    if (this.#streaming) {
      if (!context.json && final.value !== undefined && final.value !== null) printValue(context, final.value);
    } else if (context.json) {
      context.printJson(this.#result(final, durationMs));
      return;
    } else {
      if (this.#items.length > 0) for (const item of this.#items) printValue(context, item);
      if (this.#items.length === 0 || (final.value !== undefined && final.value !== null)) {
        printValue(context, final.value ?? final.text ?? null);
      }
    }
    if (!context.json) this.#sayDone(durationMs);
  }

  #result(final: Extract<RoutedEvent, { type: "final" }>, durationMs: number): unknown {
    const { type: _, ...usage } = this.#usage ?? { type: "usage" };
    return {
      taskId: this.#assigned?.taskId,
      value: final.value ?? null,
      ...(final.text !== undefined && { text: final.text }),
      ...(this.#items.length > 0 && { items: this.#items }),
      node: this.#assigned?.node,
      nodeName: this.#assigned?.nodeName,
      agent: this.#assigned?.agent,
      durationMs: Math.round(durationMs * 1000) / 1000,
      attempts: this.#attemptsCount,
      ...(this.#usage && { usage }),
    };
  }

  #printLive(value: unknown): void {
    if (!this.#context.json) printValue(this.#context, value);
  }

  #say(event: Extract<RoutedEvent, { type: "retried" }>): void {
    const values = { node: printable(event.nodeName), code: event.code, time: formatMs(event.afterMs) };
    this.#context.say(this.#context.text("call.retried", values));
  }

  #sayDone(durationMs: number): void {
    const { dim, green } = this.#context.colors;
    const where = this.#assigned ? `  ${printable(this.#assigned.nodeName)}` : "";
    this.#context.say(`${green(this.#context.text("call.done"))}  ${dim(formatMs(durationMs) + where)}`);
  }
}

/** Text as it is, bytes to a file or pipe only, the rest as JSON. */
export function printValue(context: CliContext, value: unknown): void {
  const bytes = bytesOf(value);
  if (bytes) {
    if (context.io.stdout.isTTY) context.say(context.text("call.bytes", { size: formatBytes(bytes.length) }));
    else context.io.stdout.write(bytes);
    return;
  }
  context.print(
    typeof value === "string" ? (context.io.stdout.isTTY ? printableText(value) : value) : JSON.stringify(value),
  );
}

function bytesOf(value: unknown): Buffer | undefined {
  if (typeof value !== "object" || value === null || !("$bytes" in value)) return undefined;
  return typeof value.$bytes === "string" ? Buffer.from(value.$bytes, "base64") : undefined;
}

function isRoutedEvent(value: unknown): value is RoutedEvent {
  return typeof value === "object" && value !== null && "type" in value;
}
