DELETE FROM procrastinate_jobs WHERE queue_name = 'extraction-' || %(extraction_id)s AND status <> 'doing'
