"""Twin of the registers that an akimat keeps itself: guardianship, unemployed, social assistance, two queues."""
