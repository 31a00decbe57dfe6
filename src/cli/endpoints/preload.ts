/**
 * Loads what discovery needs with its first question (the AWS SDK takes 100 ms and more), so that its loading is not shown as
 * the time that DNS or the API took.
 */
export async function preload(discovery: 'auto' | 'dns' | 'api'): Promise<void> {
  await Promise.all([
    discovery === 'api' ? undefined : import('../../discovery/dns/wire/exchange.ts'),
    discovery === 'dns' ? undefined : import('@aws-sdk/client-servicediscovery'),
  ])
}
