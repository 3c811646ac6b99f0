"""What is measured, beside the peers and limits that it is compared with, all in one run on one machine."""
