import { z } from "zod";
import { capabilitySchema, resourcesSchema } from "./capability.ts";

/** The did:key of an Ed25519 key, by its shape; what the key is good for shows when a signature is checked. */
export const didSchema = z.string().regex(/^did:key:z6Mk[1-9A-HJ-NP-Za-km-z]{44}$/);

const METADATA_COUNT_MAX = 64;

/**
 * The signed description of an agent. `id` is the agent's own did:key and names it; `name` is a label that anyone
 * may choose. Maps one to one on an A2A 1.0 `AgentCard` (see a2a-card.ts).
 */
export const agentCardSchema = z.strictObject({
  id: didSchema,
  /** The node that runs the agent. */
  node: didSchema,
  name: z.string().min(1).max(120),
  description: z.string().max(2000),
  version: z.string().max(40),
  /** The driver behind it: function, model, acp, a2a, mcp, command, replay. */
  agentType: z.string().max(40),
  /** At most one of a name. */
  capabilities: z
    .array(capabilitySchema)
    .max(1000)
    .refine((capabilities) => new Set(capabilities.map(({ name }) => name)).size === capabilities.length, {
      error: "two of them have one name",
    }),
  offers: resourcesSchema.optional(),
  /** Labels for people and for later versions; nothing in easynet decides by them. At most 64. */
  metadata: z
    .record(z.string().max(120), z.string().max(500))
    .refine((metadata) => Object.keys(metadata).length <= METADATA_COUNT_MAX, {
      error: `more than ${METADATA_COUNT_MAX} entries`,
    }),
  /** When this card was made, Unix epoch ms; of two cards of one agent the later one counts. */
  updatedAtMs: z.number().int().min(0),
});
export type AgentCard = z.infer<typeof agentCardSchema>;

/** A card and the signature of its agent: a detached JWS (RFC 7515) over the canonical A2A form of the card. */
export const signedCardSchema = z.strictObject({
  card: agentCardSchema,
  signature: z.strictObject({ protected: z.string().max(500), signature: z.string().max(120) }),
});
export type SignedCard = z.infer<typeof signedCardSchema>;
