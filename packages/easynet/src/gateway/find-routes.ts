import type { FastifyPluginCallbackZod } from "fastify-type-provider-zod";
import { z } from "zod";
import { parseQuery } from "../state/index.ts";
import { findQuerySchema, foundSchema, maintenanceSchema, problemSchema } from "./api-schemas.ts";
import { foundOf } from "./reports.ts";
import type { RouteContext } from "./state-routes.ts";

const problems = { "4xx": problemSchema, "5xx": problemSchema };

/** Searching, and taking this node out of the choice of others. */
export function findRoutes({ options }: RouteContext): FastifyPluginCallbackZod {
  const { node } = options;
  return (app, _, done) => {
    app.get(
      "/api/find",
      {
        schema: {
          summary: "Offers that fit a query",
          querystring: findQuerySchema,
          response: { 200: z.object({ offers: z.array(foundSchema) }), ...problems },
        },
      },
      ({ query }) => ({ offers: node.offers(parseQuery(query.q)).map(foundOf) }),
    );
    app.post(
      "/api/maintenance",
      {
        schema: {
          summary: "Run on, and be chosen by nobody; or be chosen again",
          body: maintenanceSchema,
          response: { 200: maintenanceSchema, ...problems },
        },
      },
      ({ body }) => {
        node.setMaintenance(body.on);
        return { on: body.on };
      },
    );
    done();
  };
}
