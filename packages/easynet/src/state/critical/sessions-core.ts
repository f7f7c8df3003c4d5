import { KEPT_VALUE_BYTES_MAX, SESSION_MS, SESSIONS_COUNT_MAX } from "./limits.ts";
import type { Batch, Reply } from "./operations.ts";

export interface Session {
  lastUsedMs: number;
  /** What was answered to batches that the client may still repeat, by their numbers. */
  readonly replies: Map<number, readonly Reply[]>;
  answeredBelow: number;
}

/**
 * Who may repeat what: client sessions as in Ongaro's dissertation "Consensus: Bridging Theory and Practice" (2014),
 * section 6.3, but with several batches of a client under way at once. Part of the replicated state: every member
 * decides the same, by the time of the log.
 */
export class Sessions {
  /** In order of their last use. */
  readonly #sessions = new Map<string, Session>();

  entries(): Iterable<readonly [string, Session]> {
    return this.#sessions;
  }

  get(client: string): Session | undefined {
    return this.#sessions.get(client);
  }

  restore(client: string, session: Session): void {
    this.#sessions.set(client, session);
  }

  open(client: string, nowMs: number): void {
    this.#expire(nowMs);
    this.#touch(
      client,
      this.#sessions.get(client) ?? { lastUsedMs: nowMs, replies: new Map(), answeredBelow: 1 },
      nowMs,
    );
    for (const oldest of this.#sessions.keys()) {
      if (this.#sessions.size <= SESSIONS_COUNT_MAX) break;
      this.#sessions.delete(oldest);
    }
  }

  /** Undefined: there is no such session, so that it cannot be known whether the batch was carried out before. */
  use({ client, answeredBelow }: Batch, nowMs: number): Session | undefined {
    this.#expire(nowMs);
    const session = this.#sessions.get(client);
    if (!session) return undefined;
    this.#touch(client, session, nowMs);
    session.answeredBelow = Math.max(session.answeredBelow, answeredBelow);
    for (const sequence of session.replies.keys()) {
      if (sequence < session.answeredBelow) session.replies.delete(sequence);
    }
    return session;
  }

  #touch(client: string, session: Session, nowMs: number): void {
    session.lastUsedMs = nowMs;
    this.#sessions.delete(client);
    this.#sessions.set(client, session);
  }

  #expire(nowMs: number): void {
    for (const [client, { lastUsedMs }] of this.#sessions) {
      if (nowMs - lastUsedMs < SESSION_MS) break;
      this.#sessions.delete(client);
    }
  }
}

/** What is kept of a reply for a repeated batch: everything but large values. */
export function keptReply(reply: Reply): Reply {
  const isLarge = reply.kind === "unchanged" && (reply.current?.value.length ?? 0) > KEPT_VALUE_BYTES_MAX;
  return isLarge ? { kind: "forgotten" } : reply;
}
