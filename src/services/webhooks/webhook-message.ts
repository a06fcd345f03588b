import type { StepSetting } from '../../core/step-settings.ts'
import { isoTime, viewSteps, viewUpload } from '../../core/upload-view.ts'
import type { DeliveryContext } from '../../db/webhooks/deliveries.ts'
import type { Delivery } from '../../db/webhooks/delivery-rows.ts'

/**
 * What a delivery says, as JSON. Type, time, number and generation are the event's own; the upload is as it is now, which
 * may be further on already. Null: the file's history is forgotten, and there is nothing to say any more.
 */
export function webhookMessage(
  delivery: Delivery,
  { file, runs }: Pick<DeliveryContext, 'file' | 'runs'>,
  domain: { slug: string; policy: { steps: readonly StepSetting[] } },
): string | null {
  const { eventType: type, occurredAt, fileId, number, fileGeneration: generation } = delivery
  const timestamp = isoTime(occurredAt)
  if (fileId === null) return JSON.stringify({ type, timestamp, data: { domain: domain.slug, ...delivery.data } })
  if (!file) return null
  const upload = { ...viewUpload(domain.slug, file), steps: viewSteps(domain.policy.steps, file, runs) }
  return JSON.stringify({ type, timestamp, data: { id: fileId, number, generation, domain: domain.slug, upload } })
}
