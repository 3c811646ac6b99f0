"""How far notifications have read each chain of the log. Nobody is told again of what is old."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

UNTOLD = sa.text("log_seq > told_seq")


def upgrade() -> None:
    for table in ("instance", "chain"):
        op.add_column(table, sa.Column("told_seq", sa.Integer(), server_default="0", nullable=False))
    op.execute("UPDATE instance SET told_seq = log_seq")
    op.execute("UPDATE chain SET told_seq = seq")
    op.create_index("ix_instance_untold", "instance", ["id"], sqlite_where=UNTOLD, postgresql_where=UNTOLD)


def downgrade() -> None:
    op.drop_index("ix_instance_untold", table_name="instance")
    for table in ("chain", "instance"):
        op.drop_column(table, "told_seq")
