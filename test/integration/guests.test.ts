import { expect, test } from "vitest";
import { generateKeyPair } from "../../packages/easynet/src/identity/index.ts";
import { noMetrics, silentLogger } from "../../packages/easynet/src/kernel/index.ts";
import {
  createLibp2pFabric,
  type Fabric,
  type FabricConnection,
  type Guest,
} from "../../packages/easynet/src/mesh/index.ts";
import { until } from "../support/network.ts";

const PROTOCOL = "/test/1.0.0";

function open(options: { readonly guests?: boolean; readonly muxer?: "lanes" | "yamux" }): Promise<Fabric> {
  const shared = { logger: silentLogger, metrics: noMetrics, listenAddresses: ["127.0.0.1:0"] };
  return createLibp2pFabric({ ...shared, keyPair: generateKeyPair(), ...options });
}

test("guests speak their protocols, members without our lanes are told by the first lane that they open", async () => {
  const host = await open({ guests: true });
  const program = await open({ guests: true, muxer: "yamux" });
  const member = await open({ muxer: "yamux" });
  const seen: FabricConnection[] = [];
  const heard: string[] = [];
  host.onConnection((connection) => seen.push(connection));
  await host.guests?.handle(PROTOCOL, (guest: Guest, stream) => {
    stream.onData((bytes) => heard.push(`${guest.remote}: ${Buffer.from(bytes).toString()}`));
  });
  await Promise.all([host.start(), program.start(), member.start()]);
  const address = host.addresses()[0] ?? "";

  const guest = await program.guests?.dial(address, AbortSignal.timeout(5000));
  expect(guest?.remote).toBe(host.self);
  const stream = await guest?.open(PROTOCOL);
  stream?.send(Buffer.from("hello"));
  await until("the guest is heard", () => heard.length === 1);
  expect(heard).toEqual([`${program.self}: hello`]);
  await expect(guest?.open("/other/1.0.0")).rejects.toMatchObject({ code: "LINK_CLOSED" });
  expect(seen).toEqual([]);

  const connection = await member.dial(address);
  expect(seen).toEqual([]);
  (await connection.openLane("control")).send(Buffer.from("hello"));
  await until("the member is told", () => seen.length === 1);
  expect(seen[0]).toMatchObject({ remote: member.self, direction: "inbound" });
  await Promise.all([host.stop(), program.stop(), member.stop()]);
});

test("an easynet node is not taken for a guest, and a fabric that was not asked has none", async () => {
  const [one, other, plain] = [await open({ guests: true }), await open({ guests: true }), await open({})];
  other.onConnection(() => undefined);
  await Promise.all([one.start(), other.start()]);
  const dialled = one.guests?.dial(other.addresses()[0] ?? "", AbortSignal.timeout(5000));
  await expect(dialled).rejects.toMatchObject({ code: "PEER_UNREACHABLE" });
  expect(plain.guests).toBeUndefined();
  await Promise.all([one.stop(), other.stop()]);
});

test("the thirty-third guest is refused", async () => {
  const host = await open({ guests: true });
  await host.guests?.handle(PROTOCOL, () => undefined);
  const program = await open({ guests: true, muxer: "yamux" });
  await Promise.all([host.start(), program.start()]);
  const address = host.addresses()[0] ?? "";
  const programs = [program];
  for (let count = 0; count < 32; count++) {
    const one = programs[count] ?? (await open({ guests: true, muxer: "yamux" }));
    if (!programs[count]) {
      programs.push(one);
      await one.start();
    }
    await one.guests?.dial(address, AbortSignal.timeout(5000));
  }
  const last = await open({ guests: true, muxer: "yamux" });
  programs.push(last);
  await last.start();
  const guest = await last.guests?.dial(address, AbortSignal.timeout(5000)).catch(() => undefined);
  await expect(guest ? guest.open(PROTOCOL) : Promise.reject(new Error("refused"))).rejects.toBeInstanceOf(Error);
  await Promise.all([host, ...programs].map((each) => each.stop()));
});

test("a guest is dropped for what it sent, and the node goes on", async () => {
  const host = await open({ guests: true });
  await host.guests?.handle(PROTOCOL, (guest, stream) => stream.onData(() => guest.abort(new Error("nonsense"))));
  const program = await open({ guests: true, muxer: "yamux" });
  await Promise.all([host.start(), program.start()]);
  for (let count = 0; count < 40; count++) {
    const guest = await program.guests?.dial(host.addresses()[0] ?? "", AbortSignal.timeout(5000));
    const closed = new Promise<void>((resolve) => {
      guest?.onClose(resolve);
    });
    (await guest?.open(PROTOCOL))?.send(Buffer.from("hello"));
    await closed;
  }
  expect(host.addresses()).toHaveLength(1);
  await Promise.all([host.stop(), program.stop()]);
});

test.for(["yamux", "lanes"] as const)("connections on %s that are refused at once do no harm", async (muxer) => {
  const [host, other] = [await open({}), await open({ muxer })];
  let refused = 0;
  host.onConnection((connection) => {
    refused++;
    connection.abort(new Error("refused"));
  });
  await Promise.all([host.start(), other.start()]);
  for (let count = 0; count < 40; count++) await other.dial(host.addresses()[0] ?? "").catch(() => undefined);
  await until("all are refused", () => refused === 40);
  expect(refused).toBe(40);
  await Promise.all([host.stop(), other.stop()]);
});
