import { afterEach, describe, expect, test } from "vitest";
import { generateKeyPair } from "../identity/index.ts";
import { EasynetError } from "../kernel/index.ts";
import { MeshWorld } from "../testing/mesh-world.ts";
import { askToJoin } from "./ask-to-join.ts";
import { Handshake } from "./handshake-core.ts";
import { STRANGERS_BURST_COUNT_MAX } from "./mesh-config.ts";

let world = new MeshWorld();
afterEach(async () => {
  await world.stop();
});

const REQUEST = Uint8Array.of(1, 2, 3);

async function asking(port: number, expected?: ReturnType<typeof generateKeyPair>["did"]) {
  const fabric = world.network.fabric(generateKeyPair());
  await fabric.start();
  const address = `/memory/${port}`;
  const { clock } = world;
  const asked = askToJoin({ fabric, address, expected, request: REQUEST, clock, timeoutMs: 3000 });
  asked.catch(() => undefined);
  return { fabric, asked };
}

describe("a stranger that asks to join", () => {
  test("gets the one answer and no link", async () => {
    world = new MeshWorld();
    const questions: unknown[] = [];
    const node = await world.node("door", {
      answerStranger: async (stranger) => {
        questions.push(stranger);
        return Promise.resolve(Uint8Array.of(9));
      },
    });
    const { fabric, asked } = await asking(node.port, node.did);
    expect(await world.settle(asked)).toEqual({ by: node.did, answer: Uint8Array.of(9) });
    expect(questions).toMatchObject([{ did: fabric.self, request: REQUEST }]);
    expect(node.mesh.peers()).toEqual([]);
    expect(node.events).toEqual([]);
    await world.settle(fabric.stop());
  });

  test("says nothing to another key than the one it expects", async () => {
    world = new MeshWorld();
    let questionCount = 0;
    const node = await world.node("door", {
      answerStranger: async () => {
        questionCount++;
        return Promise.resolve(REQUEST);
      },
    });
    const { fabric, asked } = await asking(node.port, generateKeyPair().did);
    await expect(world.settle(asked)).rejects.toMatchObject({ code: "PEER_UNREACHABLE" });
    expect(questionCount).toBe(0);
    await world.settle(fabric.stop());
  });

  test("is refused where nobody answers, with the reason where the answer fails, and in time where none comes", async () => {
    world = new MeshWorld();
    const mute = await world.node("mute");
    const failing = await world.node("failing", {
      answerStranger: () => Promise.reject(new EasynetError("OVERLOADED", { subject: "The node", queued: 1 })),
    });
    const silent = await world.node("silent", { answerStranger: () => new Promise(() => undefined) });
    const expected = [
      [mute, "FRAME_MALFORMED"],
      [failing, "OVERLOADED"],
      [silent, "DEADLINE_EXCEEDED"],
    ] as const;
    for (const [node, code] of expected) {
      const { fabric, asked } = await asking(node.port);
      await expect(world.settle(asked)).rejects.toMatchObject({ code });
      await world.settle(fabric.stop());
    }
  });

  test("is one of a bounded number: a flood is refused before it is looked at, members still link", async () => {
    world = new MeshWorld();
    let answeredCount = 0;
    const node = await world.node("door", {
      answerStranger: async () => {
        answeredCount++;
        return Promise.resolve(REQUEST);
      },
    });
    const flood = await Promise.all(Array.from({ length: 60 }, () => asking(node.port)));
    await world.settle(Promise.allSettled(flood.map(({ asked }) => asked)));
    expect(answeredCount).toBeLessThanOrEqual(STRANGERS_BURST_COUNT_MAX + 2);
    expect(node.counts.get("easynet_join_requests_total{overloaded}")).toBeGreaterThan(20);
    const member = await world.node("member");
    await world.settle(member.mesh.connect(world.addressOf(node)));
    expect(node.mesh.peers()).toHaveLength(1);
    await world.settle(Promise.all(flood.map(async ({ fabric }) => fabric.stop())));
  });
});

describe("the handshake", () => {
  const kinds = (role: "dialler" | "acceptor", ...inputs: Parameters<Handshake["step"]>[0][]): string[] => {
    const handshake = new Handshake({ role, network: "did:key:network", remote: "did:key:remote" });
    return inputs.flatMap((input) => handshake.step(input)).map(({ kind }) => kind);
  };
  const request = { kind: "join-request", body: REQUEST } as const;
  const hello = {
    kind: "hello",
    hello: {
      versions: { min: 1, max: 1 },
      network: "did:key:network",
      membership: REQUEST,
      name: "n",
      epoch: 1,
      addresses: [],
      frameBytesMax: 1000,
      features: [],
    },
  } as const;

  test("takes a request as the first word of who dialled, and nothing after it", () => {
    expect(kinds("acceptor", request)).toEqual(["answer-stranger"]);
    expect(kinds("acceptor", request, request, hello, { kind: "lane" })).toEqual(["answer-stranger"]);
  });

  test("refuses a request after a hello, and from who was dialled", () => {
    expect(kinds("acceptor", hello, request)).toEqual(["verify", "refuse"]);
    expect(kinds("dialler", { kind: "opened" }, request)).toEqual(["send-hello", "refuse"]);
  });
});
