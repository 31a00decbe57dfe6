/** Imports one of the packages of this folder. They are installed only for the tests of doors, so types know none. */
export async function load<Exports>(name: string): Promise<Exports> {
  return (await import(name)) as Exports
}
