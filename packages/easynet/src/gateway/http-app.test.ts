import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { FastifyInstance } from "fastify";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tries } from "../../../../test/quick.ts";
import { codePoint } from "../../../../test/arbitraries/any-text.ts";
import { silentLogger } from "../kernel/index.ts";
import { FakeNode } from "../testing/fake-node.ts";
import { createHttpApp } from "./http-app.ts";

const TOKEN = "test-token-0123456789";
const OPENAPI_FILE = join(import.meta.dirname, "../../../../docs/openapi.json");
/** Cases per property: enough to meet each field's edges, few enough for every run of the unit tests. */
const RUNS = 300;

let app: FastifyInstance;
beforeAll(async () => {
  const node = new FakeNode();
  await node.share("echo", ([value]) => value);
  ({ app } = await createHttpApp(
    {
      node,
      port: 0,
      token: TOKEN,
      logger: silentLogger,
      metricsText: async () => "",
      onStopRequested: () => undefined,
    },
    () => 80,
  ));
});
afterAll(() => app.close());

interface Answer {
  readonly statusCode: number;
  readonly body: string;
  readonly contentType: string;
}

async function inject(method: "GET" | "POST", url: string, payload?: string): Promise<Answer> {
  const headers = {
    authorization: `Bearer ${TOKEN}`,
    ...(payload !== undefined && { "content-type": "application/json" }),
  };
  const answer = await app.inject({ method, url, headers, ...(payload !== undefined && { payload }) });
  return { statusCode: answer.statusCode, body: answer.body, contentType: String(answer.headers["content-type"]) };
}

test("the committed OpenAPI document is the one the API serves", async () => {
  const served: unknown = JSON.parse((await inject("GET", "/openapi.json")).body);
  // UPDATE=1 rewrites the copy; look at the difference before committing it.
  if (process.env["UPDATE"] === "1") writeFileSync(OPENAPI_FILE, JSON.stringify(served, undefined, 2));
  expect(JSON.parse(readFileSync(OPENAPI_FILE, "utf8"))).toEqual(served);
  expect(served).toMatchObject({ openapi: "3.1.0", paths: { "/api/call": { post: {} } } });
});

describe("whatever is sent, the API answers with a status below 500 and an error it can name", () => {
  const json = fc.jsonValue({ maxDepth: 4 });
  const word = fc.oneof(
    fc.string({ unit: codePoint }),
    fc.constantFrom("echo", "", "\0", "__proto__", "ü".repeat(200)),
  );
  const perhaps = (value: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
    fc.oneof(
      { weight: 4, arbitrary: value },
      { weight: 1, arbitrary: json },
      { weight: 3, arbitrary: fc.constant(undefined) },
    );
  const number = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(0, -1, 1, 1e9, 60_000));
  const bodies: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
    "/api/call": fc.record({
      capability: perhaps(word),
      args: perhaps(fc.array(fc.oneof(json, fc.record({ $bytes: word }), fc.record({ $int: word })))),
      kwargs: perhaps(fc.dictionary(fc.string(), json)),
      timeoutMs: perhaps(number),
      priority: perhaps(fc.oneof(fc.constantFrom("critical", "low", "emergency"), number)),
      budget: perhaps(fc.record({ money: perhaps(number), tokens: perhaps(number), calls: perhaps(number) })),
      target: perhaps(word),
      id: perhaps(word),
    }),
    "/api/peers": fc.record({ address: perhaps(word) }),
    "/api/memberships": fc.record({ member: perhaps(word) }),
    "/api/stop": json,
  };
  /** What the fake node answers by itself when asked for something it has not: failures, but not of the API. */
  const ALLOWED = new Set(["PEER_UNREACHABLE"]);

  /** What is wrong with an answer; undefined when it is as promised. */
  function fault(answer: Answer): string | undefined {
    if (answer.statusCode < 300) return undefined;
    if (answer.contentType !== "application/problem+json") return `${answer.statusCode} as ${answer.contentType}`;
    const { code, status } = JSON.parse(answer.body);
    if (status !== answer.statusCode) return `${answer.statusCode} says it is ${status}`;
    return answer.statusCode < 500 || ALLOWED.has(code) ? undefined : answer.body;
  }

  const check = async (cases: fc.Arbitrary<Parameters<typeof inject>>): Promise<void> =>
    fc.assert(
      fc.asyncProperty(cases, async (input) => {
        expect(fault(await inject(...input))).toBeUndefined();
      }),
      tries(RUNS),
    );

  test.each(Object.keys(bodies))("POST %s", async (url) => {
    expect.hasAssertions();
    const body = fc.oneof({ weight: 4, arbitrary: bodies[url] ?? json }, { weight: 1, arbitrary: json });
    await check(body.map((value) => ["POST", url, JSON.stringify(value) ?? ""]));
  });

  test("POST of any text", async () => {
    expect.hasAssertions();
    const text = fc.oneof(fc.string({ unit: codePoint }), fc.json());
    await check(text.map((payload) => ["POST", "/api/call", payload]));
  });

  test("GET /api/agents with any query", async () => {
    expect.hasAssertions();
    const query = fc.dictionary(fc.oneof(fc.constantFrom("capability", "agent"), fc.string()), word);
    const pairs = (fields: Record<string, string>): string =>
      Object.entries(fields)
        .map(([key, value]) => `${encode(key)}=${encode(value)}`)
        .join("&");
    await check(query.map((fields) => ["GET", `/api/agents?${pairs(fields)}`]));
  });

  test("any path", async () => {
    expect.hasAssertions();
    const plain = fc.stringMatching(/^[\w.~!$&'()*+,;=:@-]*$/);
    const segment = fc.oneof(
      plain,
      fc.string({ unit: codePoint }).map(encode),
      fc.constantFrom("api", "agents", "%zz"),
    );
    await check(fc.array(segment).map((segments) => ["GET", `/${segments.join("/").replace(/^\/+/, "")}`]));
  });

  test("a valid call gives the value back that went in, unless it holds a __proto__ key", async () => {
    await fc.assert(
      fc.asyncProperty(json, async (value) => {
        const text = JSON.stringify(value);
        fc.pre(!text.includes("$"));
        const answer = await inject("POST", "/api/call", JSON.stringify({ capability: "echo", args: [value] }));
        const result = answer.statusCode === 200 ? JSON.stringify(JSON.parse(answer.body).value) : answer.statusCode;
        expect(result).toBe(/"__proto__":/.test(text) ? 400 : text);
      }),
      tries(RUNS),
    );
  });
});

/** Percent encoding also for lone surrogates, which encodeURIComponent refuses. */
function encode(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}
