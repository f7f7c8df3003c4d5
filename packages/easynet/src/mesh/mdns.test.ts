import { EventEmitter } from "node:events";
import type { NetworkInterfaceInfo } from "node:os";
import { describe, expect, test } from "vitest";
import { generateKeyPair } from "../identity/index.ts";
import { seededRandom, silentLogger } from "../kernel/index.ts";
import { VirtualClock } from "../testing/virtual-clock.ts";
import { createMdns, type Mdns } from "./mdns.ts";
import { type Answer, announcement, MDNS_SERVICE, type MdnsHint, type MdnsSelf, networkTag } from "./mdns-records.ts";
import type { MulticastSocket } from "./mdns-socket.ts";

const tag = networkTag(generateKeyPair().did);

function ip4(address: string): NetworkInterfaceInfo {
  return { address, netmask: "255.255.255.0", family: "IPv4", mac: "", internal: false, cidr: null };
}

/** A multicast socket that hears what the test says and remembers what was sent. */
class FakeSocket extends EventEmitter implements MulticastSocket {
  readonly responses: Answer[][] = [];
  queryCount = 0;
  isDestroyed = false;

  query(_questions: unknown, done: (error: Error | null) => void): void {
    this.queryCount++;
    done(null);
  }

  respond(answers: Answer[], done: (error: Error | null) => void): void {
    this.responses.push(answers);
    done(null);
  }

  destroy(done: () => void): void {
    this.isDestroyed = true;
    done();
  }

  hear(answers: readonly Answer[], address: string): void {
    this.emit("response", { answers, additionals: [] }, { address });
  }

  ask(address: string): void {
    this.emit("query", { questions: [{ name: MDNS_SERVICE, type: "PTR" }] }, { address });
  }
}

interface World {
  readonly mdns: Mdns;
  readonly clock: VirtualClock;
  readonly hints: MdnsHint[];
  /** By address of the interface. */
  readonly sockets: Map<string, FakeSocket>;
  machine: Record<string, NetworkInterfaceInfo[]>;
}

async function start(machine: Record<string, NetworkInterfaceInfo[]>): Promise<World> {
  const clock = new VirtualClock();
  const hints: MdnsHint[] = [];
  const sockets = new Map<string, FakeSocket>();
  const world: Omit<World, "mdns"> = { clock, hints, sockets, machine };
  const mdns = createMdns({
    networkTag: tag,
    did: generateKeyPair().did,
    name: "amber-fox",
    port: 7441,
    clock,
    random: seededRandom(1),
    logger: silentLogger,
    onHint: (hint) => hints.push(hint),
    machine: () => world.machine,
    open: ({ interface: address = "" }) => {
      const socket = new FakeSocket();
      sockets.set(address, socket);
      return socket;
    },
  });
  await mdns.start();
  for (const socket of sockets.values()) socket.emit("ready");
  return Object.assign(world, { mdns });
}

function other(name = "cobalt-owl"): MdnsSelf {
  return { networkTag: tag, did: generateKeyPair().did, name, port: 7441 };
}

describe("mDNS service", () => {
  test("it announces and asks when it starts, and says goodbye when it stops", async () => {
    const world = await start({ eth0: [ip4("10.0.0.1")] });
    const socket = world.sockets.get("10.0.0.1");
    expect([socket?.responses.length, socket?.queryCount]).toEqual([1, 1]);
    await world.mdns.stop();
    expect(socket?.responses.at(-1)?.map((answer) => "ttl" in answer && answer.ttl)).toEqual([0, 0, 0, 0]);
    expect(socket?.isDestroyed).toBe(true);
  });

  test("it answers a question after 20 to 120 ms, and many questions with one answer per second", async () => {
    const world = await start({ eth0: [ip4("10.0.0.1")] });
    const socket = world.sockets.get("10.0.0.1");
    world.clock.advance(60_000);
    const before = socket?.responses.length ?? 0;
    world.clock.advance(2000);
    for (let count = 0; count < 50; count++) socket?.ask("10.0.0.7");
    world.clock.advance(19);
    expect(socket?.responses.length).toBe(before);
    world.clock.advance(101);
    expect(socket?.responses.length).toBe(before + 1);
    for (let count = 0; count < 50; count++) socket?.ask("10.0.0.7");
    world.clock.advance(900);
    expect((socket?.responses.length ?? 0) - before).toBeLessThanOrEqual(2);
  });

  test("a hint is passed on once, again when it changed, after a goodbye, and after a while", async () => {
    const world = await start({ eth0: [ip4("10.0.0.1")] });
    const socket = world.sockets.get("10.0.0.1");
    const peer = other();
    const hear = (self = peer): void => socket?.hear(announcement(self, "10.0.0.7"), "10.0.0.7");
    hear();
    hear();
    expect(world.hints.map((hint) => hint.did)).toEqual([peer.did]);
    hear({ ...peer, port: 7442 });
    expect(world.hints).toHaveLength(2);
    socket?.hear(announcement(peer, "10.0.0.7", true), "10.0.0.7");
    hear({ ...peer, port: 7442 });
    expect(world.hints).toHaveLength(3);
    world.clock.advance(5001);
    hear({ ...peer, port: 7442 });
    expect(world.hints).toHaveLength(4);
  });

  test("each interface hears only its own network, although sockets on one port get everything", async () => {
    const world = await start({ eth0: [ip4("10.0.0.1")], wlan0: [ip4("192.168.1.1")] });
    const peer = other();
    for (const socket of world.sockets.values()) socket.hear(announcement(peer, "10.0.0.7"), "10.0.0.7");
    expect(world.hints).toHaveLength(1);
    expect(world.mdns.status().interfaces).toEqual([
      { interface: "eth0", address: "10.0.0.1", state: "heard" },
      { interface: "wlan0", address: "192.168.1.1", state: "listening" },
    ]);
  });

  test("announcements of other networks are counted and go no further", async () => {
    const world = await start({ eth0: [ip4("10.0.0.1")] });
    const stranger = { ...other(), networkTag: networkTag(generateKeyPair().did) };
    world.sockets.get("10.0.0.1")?.hear(announcement(stranger, "10.0.0.7"), "10.0.0.7");
    expect([world.hints, world.mdns.status().foreignCount]).toEqual([[], 1]);
  });

  test("an interface that appears is used within a second when there was none, and one that vanishes is left", async () => {
    const world = await start({});
    expect(world.mdns.status().interfaces).toEqual([]);
    world.machine = { eth0: [ip4("10.0.0.1")] };
    world.clock.advance(1000);
    expect(world.sockets.has("10.0.0.1")).toBe(true);
    world.machine = { wlan0: [ip4("192.168.1.1")] };
    await world.clock.advanceAsync(10_000);
    expect(world.sockets.get("10.0.0.1")?.isDestroyed).toBe(true);
    expect(world.mdns.status().interfaces.map((one) => one.interface)).toEqual(["wlan0"]);
  });

  test("an interface that fails says why and is tried again", async () => {
    const world = await start({ eth0: [ip4("10.0.0.1")] });
    const failing = world.sockets.get("10.0.0.1");
    failing?.emit("error", Object.assign(new Error("bind EADDRINUSE"), { code: "EADDRINUSE", syscall: "bind" }));
    expect(world.mdns.status().interfaces[0]?.state).toBe("failed: port 5353 is held exclusively by another program");
    world.clock.advance(10_000);
    expect(world.sockets.get("10.0.0.1")).not.toBe(failing);
    expect(world.mdns.status().interfaces[0]?.state).toBe("listening");
  });

  test("a packet that cannot be read is counted and does not make the interface fail", async () => {
    const world = await start({ eth0: [ip4("10.0.0.1")] });
    world.sockets.get("10.0.0.1")?.emit("warning", new Error("Cannot decode name (buffer overflow)"));
    expect(world.mdns.status().malformedCount).toBe(1);
    expect(world.mdns.status().interfaces[0]?.state).toBe("listening");
  });

  test("of a flood of names only so many are remembered, and every one still gives its hint", async () => {
    const world = await start({ eth0: [ip4("10.0.0.1")] });
    const socket = world.sockets.get("10.0.0.1");
    const peers = Array.from({ length: 1100 }, () => other());
    for (const peer of peers) socket?.hear(announcement(peer, "10.0.0.7"), "10.0.0.7");
    expect(world.hints).toHaveLength(1100);
    const [first, last] = [peers[0] ?? other(), peers.at(-1) ?? other()];
    for (const peer of [first, last]) socket?.hear(announcement(peer, "10.0.0.7"), "10.0.0.7");
    expect(world.hints.slice(1100).map((hint) => hint.did)).toEqual([first.did]);
  });
});
