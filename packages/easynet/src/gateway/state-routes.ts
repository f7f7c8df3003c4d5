import type { FastifyPluginCallbackZod } from "fastify-type-provider-zod";
import { z } from "zod";
import { EasynetError } from "../kernel/index.ts";
import { type Offer, parseQuery } from "../state/index.ts";
import { SEED_STATUS_WORDS } from "../model/index.ts";
import { pathTo } from "./reports.ts";
import type { EasynetNode, PeerReport } from "../node/index.ts";
import {
  agentSchema,
  type AgentReport,
  agentsQuerySchema,
  connectSchema,
  membershipRequestSchema,
  membershipSchema,
  peerSchema,
  problemSchema,
  statusSchema,
} from "./api-schemas.ts";
import type { BodyTimeout } from "./body-timeout.ts";
import type { EventStreams } from "./event-stream.ts";
import type { GatewayOptions } from "./gateway-options.ts";

const problems = { "4xx": problemSchema, "5xx": problemSchema };

export interface RouteContext {
  readonly options: GatewayOptions;
  readonly streams: EventStreams;
  readonly bodies: BodyTimeout;
}

/** Routes about the node itself: what it is, knows and is connected to. */
export function stateRoutes({ options, streams }: RouteContext): FastifyPluginCallbackZod {
  const { node } = options;
  return (app, _, done) => {
    app.get(
      "/api/status",
      { schema: { summary: "The node, its network, load and counters", response: { 200: statusSchema, ...problems } } },
      () => node.status(),
    );
    app.get(
      "/api/peers",
      {
        schema: {
          summary: "Nodes with a link to this one",
          response: { 200: z.object({ peers: z.array(peerSchema) }), ...problems },
        },
      },
      () => ({ peers: node.peers().map(peerBody) }),
    );
    app.post(
      "/api/peers",
      { schema: { summary: "Connect to a member", body: connectSchema, response: { 200: peerSchema, ...problems } } },
      (request) => node.connect(request.body.address).then(peerBody),
    );
    app.get(
      "/api/agents",
      {
        schema: {
          summary: "Agents in reach and what they can do",
          querystring: agentsQuerySchema,
          response: { 200: z.object({ agents: z.array(agentSchema) }), ...problems },
        },
      },
      ({ query }) => ({
        agents: agentsOf(
          node,
          node.offers({
            ...(query.where !== undefined && parseQuery(query.where)),
            ...(query.capability !== undefined && { capability: query.capability }),
            ...(query.agent !== undefined && { agent: query.agent }),
          }),
        ),
      }),
    );
    app.post(
      "/api/memberships",
      {
        schema: {
          summary: "Make a membership for another machine; needs the right to let machines in",
          body: membershipRequestSchema,
          response: { 200: membershipSchema, ...problems },
        },
      },
      (request) => node.delegateMembership(request.body.member),
    );
    app.get(
      "/api/events",
      { schema: { summary: "What happens on this node, as server-sent events", response: problems } },
      (_request, reply) => {
        const stream = streams.open(reply.raw);
        reply.hijack();
        const subscription = node.onEvent((event) => stream.offer(event.type, event));
        stream.signal.addEventListener("abort", () => subscription[Symbol.dispose](), { once: true });
      },
    );
    done();
  };
}

/** Stopping and measuring. */
export function operationRoutes({ options }: RouteContext): FastifyPluginCallbackZod {
  const { metricsText, onStopRequested } = options;
  let stopping = false;
  return (app, _, done) => {
    app.get(
      "/healthz",
      {
        schema: { summary: "200 while the node serves; no details", response: { 200: z.object({ ok: z.boolean() }) } },
      },
      () => ({ ok: true }),
    );
    app.post(
      "/api/stop",
      {
        schema: {
          summary: "Stop the node: running work is finished or handed back",
          response: { 202: z.object({ stopping: z.boolean() }), ...problems },
        },
      },
      async (_request, reply) => {
        reply.raw.once("finish", () => {
          if (!stopping) onStopRequested();
          stopping = true;
        });
        return reply.code(202).send({ stopping: true });
      },
    );
    if (metricsText) {
      app.get(
        "/metrics",
        { schema: { summary: "Prometheus text", response: { 200: z.string(), ...problems } } },
        async (_request, reply) => {
          const text = await metricsText();
          return reply.type("text/plain; version=0.0.4; charset=utf-8").serializer(String).send(text);
        },
      );
    }
    done();
  };
}

function peerBody(peer: PeerReport): z.infer<typeof peerSchema> {
  const { rttMs, via, ...rest } = peer;
  return { ...rest, ...(rttMs !== undefined && { rttMs }), ...(via !== undefined && { via }) };
}

/** Offers are one per capability; people think in agents. */
function agentsOf(node: EasynetNode, offers: readonly Offer[]): AgentReport[] {
  const byAgent = Map.groupBy(offers, ({ card }) => card.id);
  return [...byAgent.values()].flatMap((own) => {
    const [first] = own;
    return first ? [agentOf(node, first, own)] : [];
  });
}

function agentOf(node: EasynetNode, { card, node: home }: Offer, offers: readonly Offer[]): AgentReport {
  const { did, record, status, load, lastSeenAtMs } = home;
  const dependencies = new Set(offers.flatMap(({ capability }) => capability.dependencies ?? []));
  return {
    id: card.id,
    name: card.name,
    agentType: card.agentType,
    description: card.description,
    node: {
      did,
      name: record.name,
      status,
      seedStatus: SEED_STATUS_WORDS[status],
      lastSeenAtMs,
      path: pathTo(node, did),
      busy: load !== undefined && load.slots > 0 && load.running >= load.slots,
      ...(load && { load }),
    },
    capabilities: offers.map(({ capability }) => capability),
    missing: [...dependencies].filter((capability) => node.offers({ capability }).length === 0),
  };
}

/** The typed 404 of an unknown address. */
export function routeUnknown(method: string, url: string): EasynetError {
  const path = (url.split("?", 1)[0] ?? "").replace(/[^\x20-\x7e]/g, "?").slice(0, 200);
  return new EasynetError("ROUTE_UNKNOWN", { method, path });
}
