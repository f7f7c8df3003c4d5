import { expect, test } from "vitest";
import { functionAgent } from "../../packages/easynet/src/agents/index.ts";
import { TestNetwork, until } from "../support/network.ts";
import { CommandProcess, QUIET, SOURCE_COMMAND } from "./up-process.ts";

test("mail outlives kill -9 of the member that holds it, and the sender that never comes back", async () => {
  await using network = new TestNetwork();
  const quiet = { holdMail: 0 };
  const sender = await network.start("sender", quiet);
  const recipient = await network.start("recipient", { ...quiet, bootstrap: bootstrapOf(sender) });
  await using holder = new Holder(await network.prepareHome("holder"), bootstrapOf(sender)[0] ?? "");
  await holder.start();
  await recipient.node.addAgent(listener([]));
  await until("all know each other", () => sender.node.status().counts.nodes === 3);
  // It, and what `up` always offers.
  await until("the sender sees the scribe", () => sender.node.status().counts.agents === 2);
  await recipient.stop();
  await until("the sender knows that it is off", () => sender.node.peers().length === 1);
  for (let number = 0; number < 10; number++) {
    await sender.node.messages.send("scribe", { kind: "note", payload: number, wait: "stored", timeoutMs: 3_600_000 });
  }
  await sender.stop();
  await holder.kill();
  const got: unknown[] = [];
  const awake = await network.start("recipient", quiet);
  await awake.node.addAgent(listener(got));
  await holder.start(bootstrapOf(awake)[0]);
  await until("all arrived", () => got.length === 10, 20_000);
  expect(got).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
}, 60_000);

function listener(got: unknown[]): ReturnType<typeof functionAgent> {
  const scribe = functionAgent({ name: "scribe" });
  scribe.registerHandler("note", ({ payload }) => void got.push(payload));
  return scribe;
}

function bootstrapOf(served: Awaited<ReturnType<TestNetwork["start"]>>): readonly string[] {
  const [, host, , port] = `${served.node.status().addresses[0]}`.split("/").slice(1);
  return [`${host}:${port}#${served.node.did}`];
}

/** A node in a process of its own. */
class Holder implements AsyncDisposable {
  readonly #home: string;
  readonly #bootstrap: string;
  #process: CommandProcess | undefined;

  constructor(home: string, bootstrap: string) {
    this.#home = home;
    this.#bootstrap = bootstrap;
  }

  async start(bootstrap = this.#bootstrap): Promise<void> {
    const args = ["up", ...QUIET, "--name", "holder", "--bootstrap", bootstrap];
    this.#process = new CommandProcess(SOURCE_COMMAND, args, this.#home);
    await this.#process.untilPrinted("\n");
  }

  async kill(): Promise<void> {
    this.#process?.child.kill("SIGKILL");
    await this.#process?.exit;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
