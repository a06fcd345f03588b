/** What stands where something is on its way. */
export function Loading({ what }: { what: string }) {
  return (
    <div class="empty" role="status">
      <span class="spinner" aria-hidden="true" />
      <span>Loading {what} …</span>
    </div>
  )
}
