import { checkSchema } from "./check-schema.ts";
/**
 * Agent cards as A2A 1.0 `AgentCard`s (a2aproject/A2A, docs/specification.md 4.4 and 8.4; lf.a2a.v1): what A2A has a
 * field for stands there, everything else under one extension (docs/protocol/cards.md). The A2A form is what is
 * signed, so the mapping is one to one: no two cards have the same form, and the form holds no empty value.
 */
import { z } from "zod";
import { EasynetError } from "../kernel/index.ts";
import { type AgentCard, agentCardSchema } from "./agent-card.ts";
import type { Capability } from "./capability.ts";
import { describeIssues, printable } from "./describe-issues.ts";
import { putEmptyValues, takeEmptyValues } from "./empty-values.ts";
import { isJsonObject, jsonProblem } from "./json-limits.ts";

/** Names the extension that holds what A2A has no field for. */
export const A2A_CARD_EXTENSION = "urn:easynet:a2a:card:1";
/** The mesh as an A2A custom protocol binding (section 12). */
export const A2A_MESH_BINDING = "urn:easynet:a2a:mesh:1";
/** Empty values in one card; a card of 1,000 capabilities needs a few thousand. */
export const CARD_EMPTY_VALUES_COUNT_MAX = 10_000;
/** Bounds of an A2A card before anything reads it: schemas of 32 levels under seven of the card itself. */
export const CARD_LIMITS = { depthMax: 48, lengthMax: 262_144 } as const;

const URL_PREFIX = "easynet:";
const A2A_VERSION = "1.0";
const MODES = ["application/json"];
/** In the place of an empty version, because A2A demands one; the list of empty values tells. */
const STAND_IN_VERSION = "0";
const PARAMS_POINTER = "/capabilities/extensions/0/params";

/** The ProtoJSON of an A2A 1.0 AgentCard, without signatures. */
export type A2aAgentCard = Readonly<Record<string, unknown>>;

/** Required values of ours that are often empty: absent in the A2A form, they mean this. */
const EMPTY_CARD = { agentType: "", metadata: {} };
const EMPTY_CAPABILITY = { version: "", typeTags: [], summary: {}, inputSchema: {} };
/** What of a capability stands in the A2A skill itself. */
const SKILL_FIELDS: ReadonlySet<string> = new Set<keyof Capability>([
  "name",
  "description",
  "capabilityType",
  "tags",
  "examples",
  "inputFormats",
  "outputFormats",
]);
const EMPTY_SKILL = { examples: [], inputModes: [], outputModes: [] };

/**
 * The A2A form of a card: fresh JSON without signatures, {@link cardFromA2a} is its inverse.
 * @throws {EasynetError} CARD_INVALID when the card holds more than 10,000 empty values
 */
export function cardToA2a(card: AgentCard): A2aAgentCard {
  const { node, name, description, version, capabilities, ...rest } = card;
  const taken: string[] = [];
  const skills = capabilities.map((capability, index) => {
    if (capability.description === "") taken.push(`"" /skills/${index}/description`);
    return omitEmpty(EMPTY_SKILL, {
      id: capability.name,
      name: capability.name,
      description: capability.description || capability.name,
      // A2A demands tags; the capability type in front says what kind of skill it is to readers that know only A2A.
      tags: [capability.capabilityType, ...capability.tags],
      examples: capability.examples,
      inputModes: capability.inputFormats,
      outputModes: capability.outputFormats,
    });
  });
  if (description === "") taken.push('"" /description');
  if (version === "") taken.push('"" /version');
  const base = takeFrom({ skills: skills.length > 0 ? skills : undefined }, "", taken);
  const params = takeFrom(extensionParams(rest, capabilities), PARAMS_POINTER, taken);
  if (taken.length > CARD_EMPTY_VALUES_COUNT_MAX) refuse(card.id, `it holds ${taken.length} empty values`);
  return {
    ...base,
    name,
    description: description || name,
    version: version || STAND_IN_VERSION,
    supportedInterfaces: [
      { url: `${URL_PREFIX}${node}`, protocolBinding: A2A_MESH_BINDING, protocolVersion: A2A_VERSION },
    ],
    capabilities: {
      streaming: capabilities.some(({ streaming }) => streaming),
      extensions: [{ uri: A2A_CARD_EXTENSION, params: { ...params, ...(taken.length > 0 && { emptyValues: taken }) } }],
    },
    defaultInputModes: MODES,
    defaultOutputModes: MODES,
  };
}

/** Everything that A2A has no field for; what belongs to a skill under the id of that skill. */
function extensionParams(rest: Partial<AgentCard>, capabilities: readonly Capability[]): Record<string, unknown> {
  const skills = capabilities.map((capability) => {
    const others = Object.entries(capability).filter(([key]) => !SKILL_FIELDS.has(key));
    return [capability.name, omitEmpty(EMPTY_CAPABILITY, Object.fromEntries(others))] as const;
  });
  return { ...omitEmpty(EMPTY_CARD, rest), skills: skills.length > 0 ? Object.fromEntries(skills) : undefined };
}

/** `value` without the properties that equal their empty form. */
function omitEmpty(empty: Readonly<Record<string, unknown>>, value: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value).filter(([key, item]) => !(Object.hasOwn(empty, key) && isEmpty(item))),
  );
}

function isEmpty(value: unknown): boolean {
  return value === "" || (typeof value === "object" && value !== null && Object.keys(value).length === 0);
}

function takeFrom(value: object, pointer: string, taken: string[]): Record<string, unknown> {
  const entriesBefore = taken.length;
  const kept = takeEmptyValues(value, pointer, taken);
  if (isJsonObject(kept)) return kept;
  taken.length = entriesBefore;
  return {};
}

const strings = z.array(z.string());
const skillSchema = z.strictObject({
  id: z.string(),
  name: z.string(),
  description: z.string(),
  tags: strings.min(1),
  examples: strings.optional(),
  inputModes: strings.optional(),
  outputModes: strings.optional(),
});
const paramsSchema = z.looseObject({
  skills: z.record(z.string(), z.record(z.string(), z.unknown())).optional(),
  emptyValues: strings.max(CARD_EMPTY_VALUES_COUNT_MAX).optional(),
});
const a2aCardSchema = z.strictObject({
  name: z.string(),
  description: z.string(),
  version: z.string(),
  supportedInterfaces: z.tuple([
    z.strictObject({
      url: z.string().startsWith(URL_PREFIX),
      protocolBinding: z.literal(A2A_MESH_BINDING),
      protocolVersion: z.literal(A2A_VERSION),
    }),
  ]),
  capabilities: z.strictObject({
    streaming: z.boolean(),
    extensions: z.tuple([z.strictObject({ uri: z.literal(A2A_CARD_EXTENSION), params: paramsSchema })]),
  }),
  defaultInputModes: strings,
  defaultOutputModes: strings,
  skills: z.array(skillSchema).max(1000).optional(),
  /** Not part of what is signed. */
  signatures: z.unknown().optional(),
});

/**
 * The card of an A2A form that {@link cardToA2a} made, here or elsewhere. Fields of A2A that our cards do not use are
 * refused by name, because nothing would check them. Cards of foreign A2A agents do not come in here.
 * @throws {EasynetError} CARD_INVALID with the reason
 */
export function cardFromA2a(a2a: unknown): AgentCard {
  const problem = jsonProblem(a2a, CARD_LIMITS);
  if (problem !== undefined) refuse("an A2A agent", `it holds ${problem}`);
  const { emptyValues } = parseOrRefuse(a2aCardSchema, a2a).capabilities.extensions[0].params;
  const restored = structuredClone(a2a);
  if (!putEmptyValues(restored, emptyValues ?? [])) refuse("an A2A agent", "its list of empty values does not fit it");
  const form = parseOrRefuse(a2aCardSchema, restored);
  const { emptyValues: _, skills, ...rest } = form.capabilities.extensions[0].params;
  const extras = new Map(Object.entries(skills ?? {}));
  const stray = [...extras.keys()].find((id) => !form.skills?.some((skill) => skill.id === id));
  if (stray !== undefined) refuse("an A2A agent", printable(`its extension describes ${stray}, which is no skill`));
  return parseOrRefuse(agentCardSchema, {
    ...EMPTY_CARD,
    ...rest,
    node: form.supportedInterfaces[0].url.slice(URL_PREFIX.length),
    name: form.name,
    description: form.description,
    version: form.version,
    capabilities: (form.skills ?? []).map((skill) => ({
      ...EMPTY_CAPABILITY,
      ...extras.get(skill.id),
      ...fromSkill(skill),
    })),
  });
}

function fromSkill(skill: z.infer<typeof skillSchema>): Partial<Record<keyof Capability, unknown>> {
  const [capabilityType, ...tags] = skill.tags;
  const { id, description, examples = [], inputModes = [], outputModes = [] } = skill;
  return {
    name: id,
    description,
    capabilityType,
    tags,
    examples,
    inputFormats: inputModes,
    outputFormats: outputModes,
  };
}

function parseOrRefuse<Schema extends z.ZodType>(schema: Schema, value: unknown): z.infer<Schema> {
  const result = checkSchema(schema, value);
  return result.success ? result.data : refuse("an A2A agent", describeIssues(result.error));
}

function refuse(agent: string, reason: string): never {
  throw new EasynetError("CARD_INVALID", { agent, reason });
}
