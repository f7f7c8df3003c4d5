import { checkSchema } from "../model/index.ts";
import swagger from "@fastify/swagger";
import fastify, { type FastifyInstance } from "fastify";
import {
  createJsonSchemaTransform,
  createSerializerCompiler,
  jsonSchemaTransformObject,
  type ZodTypeProvider,
} from "fastify-type-provider-zod";
import { z } from "zod";
import { EasynetError, systemClock } from "../kernel/index.ts";
import { jsonReplacer } from "../node/index.ts";
import { artifactBodyRoutes, artifactRoutes } from "./artifact-routes.ts";
import { callRoute } from "./call-route.ts";
import { EventStreams } from "./event-stream.ts";
import { explainIssues } from "./explain-issues.ts";
import type { GatewayOptions } from "./gateway-options.ts";
import { findRoutes } from "./find-routes.ts";
import { Guard } from "./guard.ts";
import { inviteRoutes, joinRoutes } from "./join-routes.ts";
import { messageRoutes } from "./message-routes.ts";
import { BODY_BYTES_MAX, BODY_TIMEOUT_MS, REQUEST_TIMEOUT_MS } from "./limits.ts";
import { apiError, sendProblem } from "./problem.ts";
import { doctorRoute } from "./doctor-route.ts";
import { spaceCopyRoutes, spaceKeyRoutes, spaceRoutes } from "./space-routes.ts";
import { taskRoutes } from "./task-routes.ts";
import { operationRoutes, routeUnknown, stateRoutes } from "./state-routes.ts";

export interface HttpApp {
  readonly app: FastifyInstance;
  readonly guard: Guard;
  readonly streams: EventStreams;
}

/** The HTTP API without its socket: `listen` or `inject` as wanted. @param port asked for once requests come */
export async function createHttpApp(options: GatewayOptions, port: () => number): Promise<HttpApp> {
  const { node, host = "127.0.0.1", token, clock = systemClock } = options;
  const guard = new Guard({ host, port, token, home: node.home });
  const streams = new EventStreams(clock);
  const app = fastify({
    logger: false,
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: BODY_TIMEOUT_MS,
    http: { headersTimeout: REQUEST_TIMEOUT_MS },
    // Our routes are few and exact; a second spelling of a path is a second thing to guard.
    routerOptions: { maxParamLength: 200 },
    frameworkErrors: (error, request, reply) => void sendProblem(request, reply, apiError(error, request)),
  });
  app.setValidatorCompiler<z.core.$ZodType>(({ schema, httpPart }) => (data) => {
    const subject = httpPart === "querystring" ? "The query" : "The request body";
    if (!(schema instanceof z.ZodType)) throw new TypeError("a route has a schema that is none of zod");
    const result = checkSchema(schema, data ?? {});
    if (result.success) return { value: result.data };
    return { error: new EasynetError("INVALID_ARGUMENT", { subject, reason: explainIssues(result.error, schema) }) };
  });
  app.setSerializerCompiler(createSerializerCompiler({ replacer: jsonReplacer }));
  // Fastify reads text/plain by default, which a web page may send without asking first.
  app.removeContentTypeParser("text/plain");
  app.setErrorHandler(async (thrown, request, reply) => {
    const error = apiError(thrown, request);
    if (error.code === "INTERNAL") options.logger.error("API request failed", { url: request.url, error });
    await sendProblem(request, reply, error);
  });
  app.setNotFoundHandler((request, reply) => sendProblem(request, reply, routeUnknown(request.method, request.url)));
  app.addHook("onRequest", async (request, reply) => {
    reply.header("x-content-type-options", "nosniff").header("cache-control", "no-store");
    guard.checkOrigin(request.headers);
    if (request.routeOptions.url !== "/healthz") guard.checkBearer(request.headers);
  });
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: { title: "easynet local API", version: "1", description: "docs/protocol/local-api.md" },
      components: { securitySchemes: { token: { type: "http", scheme: "bearer" } } },
      security: [{ token: [] }],
    },
    transform: createJsonSchemaTransform({ skipList: ["/openapi.json"] }),
    transformObject: jsonSchemaTransformObject,
  });
  const context = { options, streams };
  await app.register(async (scope) => {
    const typed = scope.withTypeProvider<ZodTypeProvider>();
    await typed.register(stateRoutes(context));
    await typed.register(findRoutes(context));
    await typed.register(inviteRoutes(context));
    await typed.register(joinRoutes(context));
    await typed.register(doctorRoute(context));
    await typed.register(callRoute(context));
    await typed.register(taskRoutes(context));
    await typed.register(messageRoutes(context));
    await typed.register(artifactRoutes(context));
    await typed.register(artifactBodyRoutes(context));
    await typed.register(spaceRoutes(context));
    await typed.register(spaceKeyRoutes(context));
    await typed.register(spaceCopyRoutes(context));
    await typed.register(operationRoutes(context));
    scope.get("/openapi.json", () => app.swagger());
  });
  return { app, guard, streams };
}
