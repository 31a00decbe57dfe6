/**
 * What a promise rejects with.
 * @throws Error if it does not, or not with an error
 */
export async function failureOf(promise: Promise<unknown>): Promise<Error & Record<string, unknown>> {
  const reason = await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (!(reason instanceof Error)) throw new Error('it did not fail')
  return reason as Error & Record<string, unknown>
}
