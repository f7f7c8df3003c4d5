import type { FastifyPluginCallbackZod } from "fastify-type-provider-zod";
import { z } from "zod";
import { describeFinding, type Finding } from "../node/index.ts";
import { problemSchema } from "./api-schemas.ts";
import { languageOf } from "./problem.ts";
import type { RouteContext } from "./state-routes.ts";

const findingSchema = z
  .object({
    check: z.string().describe("What was looked at."),
    state: z.enum(["ok", "warning", "failed"]),
    fact: z.string().describe("What was found, a word for programs."),
    values: z.record(z.string(), z.union([z.string(), z.number()])),
    observed: z.string().describe("What was found, in English or Chinese by Accept-Language."),
    mend: z.string().optional().describe("The command that mends it, or what to change."),
  })
  .meta({ id: "Finding" });

/** What is wrong as far as the node itself can tell: links, neighbours, reachability, clocks. */
export function doctorRoute({ options: { node } }: RouteContext): FastifyPluginCallbackZod {
  return (app, _, done) => {
    app.get(
      "/api/doctor",
      {
        schema: {
          summary: "What works and what does not, each with what mends it; dials members that are not linked",
          response: {
            200: z.object({ findings: z.array(findingSchema) }),
            "4xx": problemSchema,
            "5xx": problemSchema,
          },
        },
      },
      (request) => {
        const language = languageOf(request.headers["accept-language"]);
        return node.examine().then((findings) => ({ findings: findings.map((found) => bodyOf(found, language)) }));
      },
    );
    done();
  };
}

function bodyOf(found: Finding, language: "en" | "zh"): z.infer<typeof findingSchema> {
  const { observed, mend } = describeFinding(found, language);
  return { ...found, observed, ...(mend !== undefined && { mend }) };
}
