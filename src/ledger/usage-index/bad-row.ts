/** What the database holds is not what this code has put there. */
export function badRow(): Error {
  return new Error("the usage index holds a bad row");
}
