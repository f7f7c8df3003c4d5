import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

/** A process that answers questions over IPC; its first message, numbered 0, says that it is ready. */
export class AskedChild {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>([[0, Promise.withResolvers()]]);
  #lastId = 0;

  constructor([program = "", ...args]: readonly string[]) {
    this.#child = spawn(program, args, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    this.#child.on("message", (message: { id: number; value?: unknown; error?: string }) => {
      const asked = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if (message.error === undefined) asked?.resolve(message.value);
      else asked?.reject(new Error(message.error));
    });
    this.#child.on("exit", () => {
      for (const asked of this.#waiting.values()) asked.reject(new Error("the process ended"));
    });
  }

  /** What it said when it was ready. */
  ready(): Promise<unknown> {
    return this.#waiting.get(0)?.promise ?? Promise.reject(new Error("it was waited for already"));
  }

  ask(request: object): Promise<unknown> {
    const id = ++this.#lastId;
    const asked = Promise.withResolvers<unknown>();
    this.#waiting.set(id, asked);
    this.#child.send({ id, ...request });
    return asked.promise;
  }

  /** Hangs up and waits until it has ended. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.disconnect();
    await ended;
  }
}
