/** `Provider.name`; provider in `OpaqueState` and `ProviderPart`. */
export const cohereName = "cohere";

/** `OpaqueState.item_id` of reasoning that came as `tool_plan`, so that it goes back there. */
export const toolPlanId = "tool_plan";
