import { type ChildProcess, fork } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";

const FOLDER = process.env["EASYNET_TEST_HELIA"] ?? "";

/** Why Helia cannot be tried here; undefined when it can. It is 350 MB, so it is no dependency of anything here. */
export const heliaMissing: string | undefined = existsSync(join(FOLDER, "node_modules/helia"))
  ? undefined
  : "set EASYNET_TEST_HELIA to a folder in which you ran npm install helia @helia/unixfs";

/** A node of Helia in a process of its own, on loopback. */
export class HeliaNode implements AsyncDisposable {
  readonly address: string;
  readonly #child: ChildProcess;
  readonly #answers: Map<number, PromiseWithResolvers<string>>;
  #asked = 0;

  private constructor(
    child: ChildProcess,
    given: { readonly answers: Map<number, PromiseWithResolvers<string>>; readonly address: string },
  ) {
    this.#child = child;
    this.#answers = given.answers;
    this.address = given.address;
  }

  static async start(): Promise<HeliaNode> {
    const script = join(import.meta.dirname, "helia-child.mjs");
    const child = fork(script, [FOLDER], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    const ready = Promise.withResolvers<string>();
    const answers = new Map([[0, ready]]);
    child.on("message", (message: { readonly id: number; readonly value?: string; readonly error?: string }) => {
      const waiting = answers.get(message.id);
      if (message.value === undefined) waiting?.reject(new Error(message.error));
      else waiting?.resolve(message.value);
    });
    child.once("close", () => {
      for (const waiting of answers.values()) waiting.reject(new Error("Helia ended"));
    });
    return new HeliaNode(child, { answers, address: await ready.promise });
  }

  /** A file by its address, from whoever it is connected with. Fails after five seconds. */
  async get(cid: string, from: string): Promise<Buffer> {
    return Buffer.from(await this.#ask({ cid, from }), "base64");
  }

  /** @param other with the layout that Helia has by itself. @returns its address */
  async add(bytes: Uint8Array, other = false): Promise<string> {
    return this.#ask({ bytes: Buffer.from(bytes).toString("base64"), other });
  }

  #ask(given: Readonly<Record<string, unknown>>): Promise<string> {
    const answer = Promise.withResolvers<string>();
    const id = ++this.#asked;
    this.#answers.set(id, answer);
    this.#child.send({ id, ...given });
    return answer.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => {
      this.#child.once("exit", resolve);
    });
    this.#child.kill();
    await ended;
  }
}
