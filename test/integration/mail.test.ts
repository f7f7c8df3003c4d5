import { describe, expect, test } from "vitest";
import { functionAgent } from "../../packages/easynet/src/agents/index.ts";
import type { ServedNode } from "../../packages/easynet/src/gateway/index.ts";
import { verifies } from "../requirements.ts";
import { TestNetwork, until } from "../support/network.ts";
import { cli } from "./cli-process.ts";

const LONG_MS = 3_600_000;

function bootstrapOf(served: ServedNode): readonly string[] {
  const [, host, , port] = `${served.node.status().addresses[0]}`.split("/").slice(1);
  return [`${host}:${port}#${served.node.did}`];
}

async function scribeOn(served: ServedNode, got: unknown[] = []): Promise<unknown[]> {
  const scribe = functionAgent({ name: "scribe" });
  scribe.registerHandler("note", ({ payload }) => void got.push(payload));
  await served.node.addAgent(scribe);
  return got;
}

/** A member that holds mail, one that sends, one that is away: what was sent to it waits at the sender. */
async function withoutRecipient(
  network: TestNetwork,
): Promise<{ readonly holder: ServedNode; readonly sender: ServedNode; readonly recipient: string }> {
  const holder = await network.start("holder");
  const bootstrap = bootstrapOf(holder);
  const sender = await network.start("sender", { bootstrap, holdMail: 0 });
  const recipient = await network.start("recipient", { bootstrap, holdMail: 0 });
  await scribeOn(recipient);
  await until("all know each other", () => [holder, sender].every(({ node }) => node.status().counts.nodes === 3));
  await until("the sender sees the scribe", () => sender.node.status().counts.agents === 1);
  const { did } = recipient.node;
  await recipient.stop();
  await until("the sender knows that it is off", () => sender.node.peers().length === 1);
  return { holder, sender, recipient: did };
}

function send(sender: ServedNode, payload: unknown): Promise<{ readonly id: string }> {
  return sender.node.messages.send("scribe", { kind: "note", payload, wait: "stored", timeoutMs: LONG_MS });
}

describe("mail for a member that is away", () => {
  test("arrives in order from a third one, once, though the sender stopped before and never came back", async () => {
    verifies("messaging:reliable:delivery");
    await using network = new TestNetwork();
    const { holder, sender, recipient } = await withoutRecipient(network);
    const { id } = await send(sender, { number: 0, secret: "tea at four" });
    for (let number = 1; number < 20; number++) await send(sender, { number, secret: "tea at four" });
    const { home } = sender.node;
    await sender.stop();
    const [held] = holder.node.messages.held();
    expect(held).toMatchObject({ sender: sender.node.did, recipient, batches: 20 });
    const shown = await cli(["messages"], { home: holder.node.home });
    expect(shown.stdout).toMatch(/z6Mk\S+ +20 /);
    const awake = await network.start("recipient", { bootstrap: bootstrapOf(holder), holdMail: 0 });
    const got = await scribeOn(awake);
    await until("all arrived", () => got.length === 20);
    expect(got).toEqual(Array.from({ length: 20 }, (_, number) => ({ number, secret: "tea at four" })));
    await until("nothing is held any more", () => holder.node.messages.held().length === 0);

    const proof = await cli(["messages", "prove", id], { home: awake.node.home });
    const verified = await cli(["messages", "verify", proof.stdout.trim()], { home: network.folder });
    expect(verified).toMatchObject({ code: 0, stdout: '{"number":0,"secret":"tea at four"}\n' });
    expect(verified.stderr).toContain(`${sender.node.did} sent note ${id} to ${recipient}`);
    const forged = await cli(["messages", "verify", `${proof.stdout.trim().slice(0, -8)}AAAAAAA=`], {
      home: network.folder,
    });
    expect(forged.stderr).toContain("does not verify");

    const back = await network.start("sender", { bootstrap: bootstrapOf(holder), holdMail: 0, home });
    await until("the sender was told", () => back.node.messages.outbox().length === 0, 20_000);
    expect(got).toHaveLength(20);
  }, 60_000);
});
