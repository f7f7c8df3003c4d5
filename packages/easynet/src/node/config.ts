import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { EasynetError } from "../kernel/index.ts";

const port = z.coerce.number().int().min(0).max(65_535);
const flag = z.union([
  z.boolean(),
  z.enum(["on", "off", "true", "false"]).transform((text) => text === "on" || text === "true"),
]);
const list = z.union([
  z.array(z.string().min(1)),
  z.string().transform((text) =>
    text
      .split(",")
      .map((item) => item.trim())
      .filter(Boolean),
  ),
]);

const topics = list.pipe(z.array(z.string().min(1).max(120)).max(100));
/** Topics that are mirrored to other systems; without one the setting is absent. */
const bridges = z.strictObject({
  /** A stream of NATS JetStream. */
  nats: z
    .strictObject({
      /** `host:port`, several separated by commas. */
      servers: list.pipe(z.array(z.string().min(1)).min(1)),
      /** Its subjects are `STREAM.topic`; made when it is not there. */
      stream: z
        .string()
        .regex(/^[A-Za-z0-9_-]{1,64}$/, "1 to 64 letters, digits, - and _")
        .default("easynet"),
      /** Topics of this network that go to the stream. */
      toNats: topics.default([]),
      /** Topics that come from the stream; a topic may stand in both. */
      fromNats: topics.default([]),
    })
    .optional(),
});
const json = z.string().transform((text, context) => {
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch {
    context.addIssue({ code: "custom", message: "it is not JSON" });
    return z.NEVER;
  }
});

const UNITS = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 } as const;
/** Bytes: a number, or a text such as `512MiB` or `1.5 GiB`. */
const bytes = z
  .union([
    z.number(),
    z
      .string()
      .regex(/^\d+(\.\d+)? ?([KMGT]i)?B?$/, "a number of bytes, or one with KiB, MiB, GiB or TiB")
      .transform((text) => {
        const [, number = "", unit = ""] = /^([\d.]+) ?([A-Za-z]*)$/.exec(text) ?? [];
        const known = Object.entries(UNITS).find(([name]) => name === unit || name === `${unit}B`);
        return Math.floor(Number(number) * (known?.[1] ?? 1));
      }),
  ])
  .pipe(
    z
      .number()
      .int()
      .min(UNITS.MiB)
      .max(1024 * UNITS.TiB),
  );

/** Every setting of a node, once: flag, EASYNET_ variable and config.json key map to the same row. */
export const configSchema = z.strictObject({
  /** Folder of keys, store and token. */
  home: z.string().min(1),
  /** Label of this machine; absent = made from its key. */
  name: z.string().min(1).max(120).optional(),
  /** Name given to a network that this node creates. */
  networkName: z.string().min(1).max(120),
  /** Address on which other members reach this node. */
  listenHost: z.string().min(1),
  /** TCP port for other members; 0 = any free one. */
  listenPort: port,
  /** Further addresses to listen on: `/ip4/0.0.0.0/tcp/7442/ws`, `/ip4/0.0.0.0/udp/7441/quic-v1`. */
  alsoListen: list,
  /** Told to others beside what is listened on: how a router or web server in front of this machine is reached. */
  announce: list,
  /** Address of API and console; anything but loopback opens them to the network. */
  apiHost: z.string().min(1),
  /** TCP port of API and console; 0 = any free one. */
  apiPort: port,
  /** Addresses of members to dial first, `host:port#did` or multiaddr. */
  bootstrap: list,
  /** Look for machines nearby by multicast DNS. */
  mdns: flag,
  /** Network interfaces for multicast, by name; empty = all real ones. */
  interfaces: list,
  /** Carry links between members that cannot reach each other but both reach this one. */
  relay: flag,
  /** Room for sealed messages of others to members that are away, MiB; a sender gets a quarter of it. 0 = keep none. */
  holdMail: z.coerce.number().int().min(0).max(100_000),
  /** Most that artifacts may take on disk; at least 1 MiB. */
  artifactQuota: bytes,
  /** Nodes of IPFS that reach this one may get artifacts that are public. */
  ipfs: flag,
  /** Addresses over TCP of nodes of IPFS that are asked, when `ipfs` is on, for artifacts that no member has. */
  ipfsPeers: list,
  /** Mirrors topics to other systems. As a variable: JSON. */
  bridges: z.union([bridges, json.pipe(bridges)]),
  logLevel: z.enum(["silent", "error", "warn", "info", "debug"]),
});
export type NodeConfig = Readonly<z.infer<typeof configSchema>>;
export type ConfigKey = keyof NodeConfig;
export type ConfigOrigin = "flag" | "environment" | "file" | "default";

const DEFAULTS = {
  networkName: "home",
  listenHost: "0.0.0.0",
  listenPort: 7441,
  alsoListen: [],
  announce: [],
  apiHost: "127.0.0.1",
  apiPort: 7440,
  bootstrap: [],
  mdns: true,
  interfaces: [],
  relay: true,
  holdMail: 16,
  artifactQuota: 8 * 2 ** 30,
  ipfs: false,
  ipfsPeers: [],
  bridges: {},
  logLevel: "info",
} as const;

export interface LoadConfigOptions {
  /** Values given by hand; undefined ones do not count. */
  readonly flags?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export interface LoadedConfig {
  readonly value: NodeConfig;
  readonly origin: Readonly<Record<ConfigKey, ConfigOrigin>>;
  /** The file that was read, or would be. */
  readonly file: string;
}

/** Flags before environment before config.json before defaults. @throws {EasynetError} CONFIG_INVALID */
export function loadConfig(options: LoadConfigOptions = {}): LoadedConfig {
  const env = options.env ?? process.env;
  const flags = defined(options.flags ?? {});
  const home = homeFolder(options);
  const file = join(home, "config.json");
  const sources: readonly (readonly [ConfigOrigin, Readonly<Record<string, unknown>>])[] = [
    ["default", { ...DEFAULTS, home }],
    ["file", readConfigFile(file)],
    ["environment", fromEnvironment(env)],
    ["flag", flags],
  ];
  const merged: Record<string, unknown> = {};
  const origin: Partial<Record<string, ConfigOrigin>> = {};
  for (const [from, values] of sources) {
    for (const [key, value] of Object.entries(values)) {
      merged[key] = value;
      origin[key] = from;
    }
  }
  const parsed = configSchema.safeParse(merged);
  if (!parsed.success) throw invalid(parsed.error);
  return { value: parsed.data, origin: originsOf(origin), file };
}

/** The folder in use: flag, EASYNET_HOME, or `.easynet` in the user's home. */
export function homeFolder(options: LoadConfigOptions = {}): string {
  const flagged = options.flags?.["home"];
  if (typeof flagged === "string") return flagged;
  return (options.env ?? process.env)["EASYNET_HOME"] || join(homedir(), ".easynet");
}

function originsOf(origin: Partial<Record<string, ConfigOrigin>>): Record<ConfigKey, ConfigOrigin> {
  const of = (key: ConfigKey): ConfigOrigin => origin[key] ?? "default";
  return {
    home: of("home"),
    name: of("name"),
    networkName: of("networkName"),
    listenHost: of("listenHost"),
    listenPort: of("listenPort"),
    alsoListen: of("alsoListen"),
    announce: of("announce"),
    apiHost: of("apiHost"),
    apiPort: of("apiPort"),
    bootstrap: of("bootstrap"),
    mdns: of("mdns"),
    interfaces: of("interfaces"),
    relay: of("relay"),
    holdMail: of("holdMail"),
    artifactQuota: of("artifactQuota"),
    ipfs: of("ipfs"),
    ipfsPeers: of("ipfsPeers"),
    bridges: of("bridges"),
    logLevel: of("logLevel"),
  };
}

function invalid(error: z.ZodError): EasynetError {
  const issue = error.issues[0];
  const unknown = issue?.code === "unrecognized_keys" ? issue.keys[0] : undefined;
  if (unknown !== undefined) {
    const known = Object.keys(configSchema.shape).join(", ");
    return new EasynetError("CONFIG_INVALID", { key: unknown, reason: `it is not a setting; there are ${known}` });
  }
  return new EasynetError("CONFIG_INVALID", {
    key: issue?.path.join(".") ?? "?",
    reason: issue?.message ?? "it does not fit",
  });
}

function readConfigFile(file: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    return {};
  }
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(text));
  } catch (cause) {
    throw new EasynetError("CONFIG_INVALID", { key: file, reason: "it is not a JSON object" }, { cause });
  }
}

/** `EASYNET_LISTEN_PORT` is `listenPort`; variables of other parts of easynet are left alone. */
function fromEnvironment(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const values: Record<string, string> = {};
  for (const key of Object.keys(configSchema.shape)) {
    const value = env[environmentName(key)];
    if (value !== undefined && value !== "") values[key] = value;
  }
  return values;
}

/** The environment variable of a setting. */
export function environmentName(key: string): string {
  return `EASYNET_${key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

function defined(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
