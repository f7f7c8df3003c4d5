import type { FastifyPluginCallbackZod } from "fastify-type-provider-zod";
import { z } from "zod";
import { lastStateOf } from "../messaging/index.ts";
import { problemSchema } from "./api-schemas.ts";
import type { RouteContext } from "./state-routes.ts";

const problems = { "4xx": problemSchema, "5xx": problemSchema };
const stateSchema = z.enum(["submitted", "working", "completed", "canceled", "failed"]);

const taskSchema = z
  .object({
    id: z.string(),
    capability: z.string(),
    node: z.string().describe("did:key of the node that has it."),
    nodeName: z.string(),
    agentName: z.string(),
    state: stateSchema,
    createdAtMs: z.number(),
    reached: z.boolean().describe("False: the provider is away, and this is what was known last."),
    value: z.unknown().optional().describe("What a completed task returned."),
    text: z.string().optional(),
    items: z.array(z.unknown()).readonly().optional().describe("What a streaming function yielded, in order."),
    error: z
      .object({
        code: z.string(),
        message: z.string(),
        retryable: z.boolean(),
        details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
      })
      .optional()
      .describe("Why a task failed or was canceled."),
  })
  .meta({ id: "Task" });

const tasksSchema = z
  .object({
    asked: z
      .array(
        z.object({
          id: z.string(),
          capability: z.string(),
          node: z.string(),
          nodeName: z.string(),
          agentName: z.string(),
          state: stateSchema.describe("As far as this node knows without asking."),
          createdAtMs: z.number(),
        }),
      )
      .describe("Tasks that this node gave to providers."),
    served: z
      .array(
        z.object({
          id: z.string(),
          capability: z.string(),
          caller: z.string(),
          callerName: z.string(),
          state: stateSchema,
          acceptedAtMs: z.number(),
          endedAtMs: z.number().optional(),
        }),
      )
      .describe("Tasks that this node runs or ran."),
  })
  .meta({ id: "Tasks" });
export type TasksBody = z.infer<typeof tasksSchema>;

/** Stored tasks: those that this node asked for, and those that it has. */
export function taskRoutes({ options }: RouteContext): FastifyPluginCallbackZod {
  const { node } = options;
  return (app, _, done) => {
    app.get(
      "/api/tasks",
      { schema: { summary: "Stored tasks that are kept", response: { 200: tasksSchema, ...problems } } },
      () => {
        const { asked, served } = node.tasks();
        return {
          asked: asked.map(({ id, capability, node: did, nodeName, agentName, createdAtMs, ...task }) => {
            return { id, capability, node: did, nodeName, agentName, createdAtMs, state: lastStateOf(task) };
          }),
          served: served.map(({ endedAtMs, ...task }) => ({ ...task, ...(endedAtMs !== undefined && { endedAtMs }) })),
        };
      },
    );
    app.get(
      "/api/tasks/:id",
      {
        schema: {
          summary: "State and outcome of a stored task of this node, asked of its provider",
          params: z.strictObject({ id: z.string().min(1).max(120) }),
          response: { 200: taskSchema, ...problems },
        },
      },
      ({ params }) => node.task(params.id),
    );
    done();
  };
}
