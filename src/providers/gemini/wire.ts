/** Name of the call and the result in which the contract shows code that Google ran. */
export const codeExecutionName = "code_execution";
