/** Server-sent events (HTML Living Standard, section 9.2) on a raw response. */
import type { ServerResponse } from "node:http";
import { type Clock, EasynetError, repeat } from "../kernel/index.ts";
import { stringifyJson } from "../node/index.ts";
import { EVENT_BACKLOG_BYTES_MAX, STREAM_HEARTBEAT_MS, STREAMS_COUNT_MAX } from "./limits.ts";

/** One open stream. Ends when the reader goes, when `end` is called, or when the gateway closes. */
export interface EventStream {
  /** Aborts when the reader went away or the gateway closes. */
  readonly signal: AbortSignal;
  /** Sends an event; resolves when the reader has room for the next one. */
  send(type: string, data: unknown): Promise<void>;
  /** Sends an event unless too much waits already; what was left out is told with the next event that fits. */
  offer(type: string, data: unknown): void;
  end(): void;
}

/** Opens streams and knows them all, so that closing the gateway ends them. */
export class EventStreams {
  readonly #open = new Set<EventStream>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get count(): number {
    return this.#open.size;
  }

  /** @throws {EasynetError} OVERLOADED at the limit of streams; nothing was written then */
  open(response: ServerResponse): EventStream {
    if (this.#open.size >= STREAMS_COUNT_MAX) {
      throw new EasynetError("OVERLOADED", { subject: "The local API", queued: this.#open.size });
    }
    response.writeHead(200, {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
    });
    response.write(": easynet\n\n");
    const controller = new AbortController();
    const heartbeat = repeat(this.#clock, STREAM_HEARTBEAT_MS, () => void response.write(": still here\n\n"));
    let droppedCount = 0;
    const write = (type: string, data: unknown): boolean => {
      if (controller.signal.aborted) return true;
      return response.write(`event: ${type}\ndata: ${stringifyJson(data)}\n\n`);
    };
    const stream: EventStream = {
      signal: controller.signal,
      async send(type, data) {
        if (!write(type, data)) await drained(response, controller.signal);
      },
      offer(type, data) {
        if (response.writableLength > EVENT_BACKLOG_BYTES_MAX) {
          droppedCount += 1;
          return;
        }
        if (droppedCount > 0) write("dropped", { count: droppedCount });
        droppedCount = 0;
        write(type, data);
      },
      end() {
        response.end();
        controller.abort();
      },
    };
    this.#open.add(stream);
    response.once("close", () => {
      heartbeat.cancel();
      this.#open.delete(stream);
      controller.abort();
    });
    return stream;
  }

  closeAll(): void {
    for (const stream of this.#open) stream.end();
  }
}

/** Resolves when the response has room, or the stream ended. */
async function drained(response: ServerResponse, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      response.off("drain", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    response.once("drain", done);
    signal.addEventListener("abort", done, { once: true });
    if (signal.aborted) done();
  });
}
