import type { Upload } from '../../api.ts'
import { formatBytes } from '../../parts/sizes.ts'
import { StatusBadge } from '../../parts/status-badge.tsx'
import { Thumbnail } from '../../parts/thumbnail.tsx'
import { hrefTo } from '../../router.ts'

export function FileGrid({ uploads }: { uploads: readonly Upload[] }) {
  return (
    <ul class="file-grid">
      {uploads.map((upload) => (
        <li key={upload.id} class="file-card">
          <Thumbnail upload={upload} />
          <div class="file-card-text">
            <a href={hrefTo(['files', upload.domain, upload.id])} title={upload.filename}>
              {upload.filename}
            </a>
            <div class="row spread">
              <span class="soft small numeric">{formatBytes(upload.size)}</span>
              <StatusBadge id={upload.id} status={upload.status} />
            </div>
          </div>
        </li>
      ))}
    </ul>
  )
}
