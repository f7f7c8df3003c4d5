import { describe, expect, test } from "vitest";
import { VirtualClock } from "../testing/virtual-clock.ts";
import { startDeadline } from "./deadline.ts";
import { isEasynetError } from "./errors.ts";

describe("a deadline", () => {
  test("aborts at its time, not before, and says what was too slow", () => {
    const clock = new VirtualClock();
    const deadline = startDeadline({ clock, subject: "The call", timeoutMs: 500 });
    clock.advance(499);
    expect(deadline.signal.aborted).toBe(false);
    clock.advance(1);
    expect(deadline.signal.aborted).toBe(true);
    const reason: unknown = deadline.signal.reason;
    expect(isEasynetError(reason, "DEADLINE_EXCEEDED")).toBe(true);
    expect(reason).toMatchObject({ details: { subject: "The call", timeoutMs: 500 }, retryable: true });
  });

  test("passes the caller's reason on when the caller is first", () => {
    const clock = new VirtualClock();
    const caller = new AbortController();
    const deadline = startDeadline({ clock, subject: "The call", timeoutMs: 500, signal: caller.signal });
    const reason = new Error("changed my mind");
    caller.abort(reason);
    expect(deadline.signal.reason).toBe(reason);
    clock.advance(1000);
    expect(deadline.signal.reason).toBe(reason);
  });

  test("is aborted from the start when the caller's signal is", () => {
    const reason = new Error("too late already");
    const clock = new VirtualClock();
    using deadline = startDeadline({ clock, subject: "x", timeoutMs: 1, signal: AbortSignal.abort(reason) });
    expect(deadline.signal.reason).toBe(reason);
  });

  test("leaves no timer and no listener behind when it is disposed", () => {
    const clock = new VirtualClock();
    const caller = new AbortController();
    let signal: AbortSignal;
    {
      using deadline = startDeadline({ clock, subject: "x", timeoutMs: 500, signal: caller.signal });
      signal = deadline.signal;
      expect(clock.pendingCount).toBe(1);
    }
    expect(clock.pendingCount).toBe(0);
    caller.abort(new Error("later"));
    clock.advance(1000);
    expect(signal.aborted).toBe(false);
  });
});
